'use strict';
'require view';
'require form';
'require uci';
'require ui';
'require sniroute.beside as beside';
'require sniroute.bus as bus';
'require sniroute.enroller as enroller';
'require sniroute.fields as fields';
'require sniroute.file as file';
'require sniroute.importer as importer';
'require sniroute.judge as judge';
'require sniroute.parts as parts';
'require sniroute.schema as schema';
'require sniroute.titles as titles';

const CONFIG = 'sniroute';

// What the tables show; the dialogs have all.
const columns = {
	listener: [ 'proto', 'listen', 'wan_port', 'default_backend' ],
	backend: [ 'server', 'balance', 'check' ],
	route: [ 'host', 'backend', 'expose' ],
	cluster: [ 'server', 'domain' ],
	class: [ 'cluster', 'class', 'expose' ],
	manifests: [ 'path', 'domain' ]
};

// What there is to suggest where nobody answers.
const nothingSeen = { classes: [], gateways: [], namespaces: [], addresses: [], hosts: [] };

return view.extend({
	load() {
		return Promise.all([
			uci.load(CONFIG),
			bus.seen().then(seen => ({ ...nothingSeen, ...seen }), () => nothingSeen)
		]).then(([ , seen ]) => {
			this.seen = seen;

			for (const section of schema.sections)
				if (section.only && uci.get(CONFIG, section.only) == null)
					uci.add(CONFIG, section.type, section.only);

			return judge.begin();
		});
	},

	render(problems) {
		const map = new form.Map(CONFIG, _('Configuration'));
		const suggestions = (type, name) => this.suggestions(type, name);

		map.tabbed = true;
		map.problems = problems;
		judge.attach(map, suggestions);

		// Saves what change does to the configuration besides what the form says.
		map.saveWith = change => {
			const before = file.snapshot();

			change();

			return map.save(null, true).catch(error => {
				file.restore(before);

				throw error;
			});
		};

		for (const section of schema.sections)
			if (section.only)
				this.addNamed(map, section);
			else
				this.addGrid(map, section, suggestions);

		this.map = map;

		return map.render().then(node => E('div', { 'class': 'sniroute' }, [ node, this.renderTools(map) ]));
	},

	suggestions(type, name) {
		const option = schema.sections.find(s => s.type == type)?.options.find(o => o.name == name);

		return option ? fields.suggest(option, this.seen) : [];
	},

	addNamed(map, section) {
		const s = map.section(form.NamedSection, section.only, section.type, titles.sections(section.type), section.help);

		s.hidetitle = true;
		this.addOptions(s, section);
		fields.describe(s);
	},

	addGrid(map, section, suggestions) {
		const s = map.section(form.GridSection, section.type, titles.sections(section.type), section.help);

		s.hidetitle = true;
		s.addremove = true;
		s.anonymous = false;
		s.sectiontitle = sid => uci.get(CONFIG, sid)?.['.anonymous'] ? _('without a name') : sid;
		s.modaltitle = sid => '%s %s'.format(titles.section(section.type), s.sectiontitle(sid));
		s.actionstitle = _('Actions');
		s.renderSectionPlaceholder = () => E('em', {}, [ _('None yet.') ]);
		s.addModalOptions = modal => {
			fields.describe(modal);
			judge.attach(modal.map, suggestions);
		};

		s.renderSectionAdd = function(extra) {
			const node = form.GridSection.prototype.renderSectionAdd.call(this, extra);
			const input = node.querySelector('input');

			input.setAttribute('aria-label', _('Name of a new section: %s').format(titles.section(section.type)));
			input.setAttribute('placeholder', _('name'));
			input.setAttribute('autocapitalize', 'none');
			input.setAttribute('spellcheck', 'false');

			// An empty name is no mistake yet.
			const forgive = () => {
				if (input.value === '') {
					input.classList.remove('cbi-input-invalid');
					input.removeAttribute('data-tooltip');
				}
			};

			forgive();
			input.addEventListener('keyup', forgive);
			input.addEventListener('blur', forgive);
			input.addEventListener('keydown', ev => {
				if (ev.key == 'Enter')
					node.querySelector('.cbi-button-add').click();
			});

			return node;
		};

		s.renderMoreOptionsModal = function(sid, ev) {
			return form.GridSection.prototype.renderMoreOptionsModal.call(this, sid, ev).then(() => parts.nameDialog());
		};

		// The focus goes back to where the dialog was opened from.
		s.handleModalCancel = function(modal, ev, saving) {
			const sid = modal.section;

			return Promise.resolve(form.GridSection.prototype.handleModalCancel.call(this, modal, ev, saving)).then(() => {
				const place = document.getElementById('cbi-%s-%s'.format(CONFIG, section.type));

				(place.querySelector('[data-section-id="%s"] .cbi-button-edit'.format(CSS.escape(sid))) ??
					place.querySelector('.cbi-section-create-name'))?.focus();
			});
		};

		s.handleAdd = function(ev, name) {
			if (uci.get(CONFIG, name) == null)
				return form.GridSection.prototype.handleAdd.call(this, ev, name);

			beside.show(map, [], _('There is a section called %s already.').format(name));

			return Promise.resolve();
		};

		s.handleRemove = function(sid) {
			return map.saveWith(() => uci.remove(CONFIG, sid)).catch(() => {});
		};

		if (section.type == 'class')
			this.addOrder(map, s);

		this.addOptions(s, section, columns[section.type]);
	},

	// Buttons that move a section before the one above it: of classes, the first that matches wins.
	addOrder(map, s) {
		s.renderRowActions = function(sid) {
			const node = form.GridSection.prototype.renderRowActions.call(this, sid);
			const sids = this.cfgsections();
			const at = sids.indexOf(sid);

			const button = (sign, title, to, after) => E('button', {
				'class': 'btn cbi-button cbi-button-neutral', 'title': title, 'aria-label': '%s: %s'.format(title, sid),
				'disabled': (map.readonly || sids[to] == null) || null,
				'click': ui.createHandlerFn(this, () => map.saveWith(() => uci.move(CONFIG, sid, sids[to], after)).catch(() => {}))
			}, [ sign ]);

			node.lastElementChild.prepend(button('↑', _('Move up'), at - 1, false), ' ',
				button('↓', _('Move down'), at + 1, true), ' ');

			return node;
		};
	},

	addOptions(s, section, shown) {
		for (const [ name, title, options ] of titles.groups(section)) {
			s.tab(name, title);

			for (const option of options) {
				const o = fields.add(s, section.type, option, name);

				if (shown && !shown.includes(option.name))
					o.modalonly = true; // false would keep it out of the dialog
			}
		}
	},

	renderTools(map) {
		const tool = (title, text, dialog) => E('div', {}, [
			E('button', {
				'class': 'btn cbi-button cbi-button-action', 'type': 'button', 'disabled': map.readonly || null,
				'click': () => dialog.open(map)
			}, [ title ]),
			E('span', {}, [ text ])
		]);

		return E('div', { 'class': 'cbi-section sniroute-tools' }, [
			E('h3', {}, [ _('Bring in') ]),
			tool(_('Enrol a cluster …'), _('Paste the Secret of its account; nothing is exposed by that.'), enroller),
			tool(_('Import an haproxy.cfg …'), _('Paste it; the sections that do the same are added.'), importer)
		]);
	},

	// What a form refused is shown in it; there is nothing more to say.
	handleSave(ev) {
		return this.map.save(null, true).then(() => this.sayUnchecked(), () => Promise.resolve());
	},

	handleSaveApply(ev, mode) {
		return this.map.save(null, true).then(() => {
			this.sayUnchecked();

			return ui.changes.apply(mode == '0');
		}, () => Promise.resolve());
	},

	sayUnchecked() {
		if (this.map.unchecked)
			ui.addNotification(null, [ E('p', {}, [ this.map.unchecked ]) ], 'warning');
	}
});
