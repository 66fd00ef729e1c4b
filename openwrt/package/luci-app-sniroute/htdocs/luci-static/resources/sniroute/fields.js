'use strict';
'require baseclass';
'require form';
'require uci';
'require sniroute.kinds as kinds';
'require sniroute.titles as titles';
'require sniroute.words as words';

// Makes form options of what schema.js says.

const CONFIG = 'sniroute';
const YES = [ '1', 'on', 'yes', 'true', 'enabled' ];

// Options that have a meaning only where another one has some value.
const needs = {
	http_mode: [ 'proto', 'http' ],
	acme_internal: [ 'proto', 'http' ],
	non_tls: [ 'proto', 'tls' ],
	stick_size: [ 'stick', /^(source|session_id)$/ ],
	stick_expire: [ 'stick', /^(source|session_id)$/ ]
};

function helpOf(option) {
	const facts = [];
	const fallback = [ option.default ].flat().filter(s => s).join(', ');

	if (option.bounds) {
		const bounds = _('%s to %s').format(...option.bounds.split(' to '));

		facts.push(option.auto ? _('%s, or auto').format(bounds) : bounds);
	}

	if (fallback && option.kind != 'boolean')
		facts.push(_('default: %s').format(fallback));

	if (option.pending)
		facts.push(_('without effect yet'));

	if (option.pending_values?.length)
		facts.push(_('%s: without effect yet').format(option.pending_values.join(', ')));

	return facts.length ? '%s (%s)'.format(option.help, facts.join('; ')) : option.help;
}

// The names of the sections that a reference may have.
function namesFor(option) {
	const named = type => uci.sections(CONFIG, type).filter(s => !s['.anonymous']);

	return (option.types ?? []).flatMap(named).map(s => s['.name']);
}

function classFor(option) {
	if (option.list)
		return form.DynamicList;

	switch (option.kind) {
	case 'boolean': return form.Flag;
	case 'choice': return form.ListValue;
	case 'reference': return form.ListValue;
	}

	return form.Value;
}

// The values that a select offers are those of now, and the one that the file has, whatever it is.
function offer(o, option, sid) {
	const value = uci.get(CONFIG, sid, option.name);
	const values = [ ...(option.values ?? []), ...namesFor(option) ];

	o.keylist = [];
	o.vallist = [];

	for (const v of new Set(value && !Array.isArray(value) ? [ ...values, value ] : values))
		o.value(v, option.pending_values?.includes(v) ? _('%s (without effect yet)').format(v) : words.safe(v));

	return value;
}

function loaderFor(option) {
	if (option.list)
		return sid => {
			const value = uci.get(CONFIG, sid, option.name);

			return (typeof(value) == 'string') ? [ value ] : value;
		};

	switch (option.kind) {
	case 'boolean':
		return sid => {
			const value = uci.get(CONFIG, sid, option.name);

			return (value == null) ? null : YES.includes(value) ? '1' : '0';
		};
	case 'choice':
	case 'reference':
		return function(sid) {
			return offer(this, option, sid);
		};
	}

	return sid => uci.get(CONFIG, sid, option.name);
}

return baseclass.extend({
	// Adds an option of the schema to a section of a form, in one of its tabs.
	add(section, type, option, tab) {
		const o = section.taboption(tab, classFor(option), option.name, titles.option(type, option.name));
		const fallback = [ option.default ].flat().filter(s => s).join(', ');

		o.help = helpOf(option);
		o.load = loaderFor(option);
		o.rmempty = !option.required;

		// What the file says stays there, even where it is the default.
		o.remove = function(sid) {
			const value = this.isActive(sid) ? this.formvalue(sid) : null;

			if (!value?.length || value !== this.cfgvalue(sid))
				Object.getPrototypeOf(this).remove.call(this, sid);
		};

		// Changed to its default, it goes: the LuCI of OpenWrt 23.05 would write it.
		o.write = function(sid, value) {
			return (value === this.default) ? this.remove(sid) : Object.getPrototypeOf(this).write.call(this, sid, value);
		};

		if (option.kind == 'boolean' || (option.kind == 'choice' && !option.list))
			o.default = option.default;
		else if (fallback)
			o.placeholder = fallback;

		if (option.kind == 'reference' && !option.list) {
			o.optional = !option.required;
			o.default = option.values?.includes(option.default) ? option.default : null;
			o.placeholder = o.default ?? _('none');
		}

		if (option.kind != 'boolean') {
			o.validate = (sid, value) => (value == null || value === '') ? true : kinds.check(option, value);
			o.textvalue = function(sid) {
				const values = [ this.cfgvalue(sid) ?? [] ].flat();

				return values.length ? E('div', {}, values.map(v => E('div', {}, [ words.safe(v) ])))
					: E('em', {}, [ fallback || _('none') ]);
			};
		}

		if (needs[option.name] && (type != 'sniroute'))
			o.depends(...needs[option.name]);

		return o;
	},

	// Gives the options of a form their help. A table of sections would make a row of it.
	describe(section) {
		for (const o of section.children)
			o.description = o.help;
	},

	// What to suggest for an option: names of sections, words, and what the sources' claims have.
	suggest(option, seen) {
		const list = [ ...(option.values ?? []), ...namesFor(option) ];

		switch (option.name) {
		case 'class': list.push(...seen.classes); break;
		case 'gateway': list.push(...seen.gateways); break;
		case 'namespace': list.push(...seen.namespaces); break;
		case 'address': list.push(...seen.addresses); break;
		case 'match_address':
			list.push(...seen.addresses.map(a => '%s/%d'.format(a, a.includes(':') ? 128 : 32)));
			break;
		case 'match_host': list.push(...seen.hosts); break;
		}

		return [ ...new Set(list) ];
	}
});
