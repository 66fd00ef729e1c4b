'use strict';
'require baseclass';
'require rpc';

// What rpcd says of a configuration, and what is to be changed in it: first here, then, by save, staged on the router.

const calls = {};

for (const [ method, params, expect ] of [
	[ 'get', [ 'config' ], { values: {} } ],
	[ 'add', [ 'config', 'type', 'name', 'values' ], { section: '' } ],
	[ 'set', [ 'config', 'section', 'values' ] ],
	[ 'delete', [ 'config', 'section', 'options' ] ],
	[ 'order', [ 'config', 'sections' ] ],
	[ 'changes', [], { changes: {} } ]
])
	calls[method] = rpc.declare({ object: 'uci', method, params, expect, reject: (method != 'changes') });

return baseclass.extend({
	__init__() {
		this.state = { newidx: 0, values: {}, creates: {}, changes: {}, deletes: {}, reorder: {} };
	},

	changes: () => calls.changes(),

	async load(names) {
		const missing = [ names ].flat().filter(name => !this.state.values[name]);

		for (const [ i, values ] of (await Promise.all(missing.map(name => calls.get(name)))).entries())
			this.state.values[missing[i]] = values;

		document.dispatchEvent(new CustomEvent('uci-loaded'));

		return missing;
	},

	unload(names) {
		for (const name of [ names ].flat())
			for (const part of [ 'values', 'creates', 'changes', 'deletes' ])
				delete this.state[part][name];
	},

	add(conf, type, name) {
		const sid = name || `new${Math.random().toString(16).slice(2, 8)}`;

		(this.state.creates[conf] ??= {})[sid] = {
			'.type': type, '.name': sid, '.create': name, '.anonymous': !name, '.index': 1000 + this.state.newidx++
		};

		return sid;
	},

	remove(conf, sid) {
		if (this.state.creates[conf]?.[sid]) {
			delete this.state.creates[conf][sid];
		}
		else if (this.state.values[conf]?.[sid]) {
			delete this.state.changes[conf]?.[sid];
			(this.state.deletes[conf] ??= {})[sid] = true;
		}
	},

	sections(conf, type, each) {
		const { values, creates, changes, deletes } = this.state;

		if (!values[conf])
			return [];

		const list = [
			...Object.keys(values[conf]).filter(sid => deletes[conf]?.[sid] !== true)
				.map(sid => ({ ...values[conf][sid], ...changes[conf]?.[sid] })),
			...Object.values(creates[conf] ?? {}).map(s => ({ ...s }))
		].filter(s => !type || s['.type'] == type).sort((a, b) => a['.index'] - b['.index']);

		list.forEach((s, i) => {
			s['.index'] = i;
			each?.call(this, s, s['.name']);
		});

		return list;
	},

	get(conf, sid, opt) {
		const { values, creates, changes, deletes } = this.state;
		const made = creates[conf]?.[sid];

		if (made)
			return opt ? made[opt] : made;

		const gone = deletes[conf]?.[sid], section = values[conf]?.[sid];

		if (!section || gone === true)
			return null;

		if (opt)
			return gone?.[opt] ? null : changes[conf]?.[sid]?.[opt] ?? section[opt];

		Object.assign(section, changes[conf]?.[sid]);

		for (const name in gone ?? {})
			delete section[name];

		return section;
	},

	set(conf, sid, opt, value) {
		const { values, creates, changes, deletes } = this.state;
		const made = creates[conf]?.[sid];

		if (made) {
			if (value != null)
				made[opt] = value;
			else
				delete made[opt];
		}
		else if (values[conf]?.[sid] && deletes[conf]?.[sid] !== true) {
			delete deletes[conf]?.[sid]?.[opt];

			if (value != null && value !== '') {
				((changes[conf] ??= {})[sid] ??= {})[opt] = value;
			}
			else {
				delete changes[conf]?.[sid]?.[opt];

				if (opt in values[conf][sid])
					((deletes[conf] ??= {})[sid] ??= {})[opt] = true;
			}
		}
	},

	unset(conf, sid, opt) {
		this.set(conf, sid, opt, null);
	},

	move(conf, sid1, sid2, after) {
		const list = this.sections(conf).map(s => s['.name']).filter(sid => sid != sid1);

		list.splice(list.indexOf(sid2) + !!after, 0, sid1);
		list.forEach((sid, i) => {
			this.get(conf, sid)['.index'] = i;
		});
		this.state.reorder[conf] = true;

		return true;
	},

	// Stages all of this on the router.
	async save() {
		const { values, creates, changes, deletes, reorder } = this.state;
		const touched = new Set([ creates, changes, deletes, reorder ].flatMap(part => Object.keys(part)));
		const tasks = [];

		for (const conf of touched) {
			for (const [ sid, gone ] of Object.entries(deletes[conf] ?? {}))
				if (gone === true || Object.keys(gone).length)
					tasks.push(calls.delete(conf, sid, gone === true ? undefined : Object.keys(gone)));

			for (const made of Object.values(creates[conf] ?? {})) {
				const options = Object.fromEntries(Object.entries(made).filter(([ name ]) => !name.startsWith('.')));

				tasks.push(calls.add(conf, made['.type'], made['.create'], options).then(sid => {
					made['.name'] = sid;
				}));
			}

			for (const [ sid, options ] of Object.entries(changes[conf] ?? {}))
				if (Object.keys(options).length)
					tasks.push(calls.set(conf, sid, options));
		}

		await Promise.all(tasks);

		for (const conf in reorder)
			if (!deletes[conf])
				await calls.order(conf, [ ...Object.values(creates[conf] ?? {}), ...Object.values(values[conf]) ]
					.sort((a, b) => a['.index'] - b['.index']).map(s => s['.name']));

		this.state.reorder = {};
		this.unload([ ...touched ]);

		return this.load([ ...touched ]);
	}
});
