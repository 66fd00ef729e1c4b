'use strict';
'require baseclass';
'require dom';

// The pieces that the views are laid out with. Texts are children in an array throughout, which makes them text nodes:
// nothing that a cluster says is ever markup.

return baseclass.extend({
	__init__() {
		document.head.appendChild(E('link', {
			'rel': 'stylesheet',
			'href': L.resource('sniroute/sniroute.css')
		}));
	},

	// A word in colour; kind is good, warn, bad or nothing.
	badge(kind, text) {
		return E('span', { 'class': 'sniroute-badge %s'.format(kind) }, [ text ]);
	},

	small(...children) {
		return E('div', { 'class': 'sniroute-small' }, children);
	},

	mono(text) {
		return E('span', { 'class': 'sniroute-mono' }, [ text ]);
	},

	// One item a line.
	lines(items) {
		return items.map(item => E('div', {}, [ item ]));
	},

	section(title, ...children) {
		return E('div', { 'class': 'cbi-section sniroute-section' }, [ E('h3', {}, [ title ]), ...children ]);
	},

	// columns are titles; one that begins with # holds numbers. rows are lists of children, one list a cell.
	table(label, columns, rows, none) {
		const numbers = columns.map(c => c.startsWith('#'));
		const titles = columns.map(c => c.replace(/^#/, ''));

		return E('table', { 'class': 'table sniroute-table', 'aria-label': label }, [
			E('thead', {}, [
				E('tr', { 'class': 'tr table-titles' }, titles.map((title, i) =>
					E('th', { 'class': numbers[i] ? 'th right' : 'th', 'scope': 'col' }, [ title ])))
			]),
			E('tbody', {}, rows.length ? rows.map(row => this.row(titles, numbers, row)) : [
				E('tr', { 'class': 'tr placeholder' }, [
					E('td', { 'class': 'td', 'colspan': columns.length }, [ E('em', {}, [ none ]) ])
				])
			])
		]);
	},

	row(titles, numbers, cells) {
		return E('tr', { 'class': 'tr' }, cells.map((cell, i) => E('td', {
			'class': numbers[i] ? 'td right' : 'td',
			'data-title': titles[i]
		}, [ E('div', {}, Array.isArray(cell) ? cell : [ cell ]) ])));
	},

	// Names the open dialog by its title, for screen readers.
	nameDialog() {
		const dialog = document.querySelector('#modal_overlay > .modal');
		const title = dialog?.querySelector('h4');

		if (!title)
			return;

		title.id = 'sniroute-dialog';
		dialog.setAttribute('aria-labelledby', title.id);
	},

	// What is wrong and what mends it. kind is bad or warn.
	problem(kind, what, remedy) {
		return E('li', { 'class': kind }, [
			E('strong', {}, [ (kind == 'bad') ? _('Problem:') : _('Warning:') ]),
			' ',
			E('span', {}, [ what ]),
			remedy ? E('div', { 'class': 'sniroute-remedy' }, [ remedy ]) : null
		]);
	},

	// Puts node in the place of what a container holds, unless it says the same; the focus stays where it was.
	replace(container, node) {
		const old = container.firstElementChild;

		if (old && node && old.isEqualNode(node))
			return;

		const focused = container.contains(document.activeElement) ? document.activeElement.id : null;

		dom.content(container, node ? [ node ] : []);

		if (focused)
			document.getElementById(focused)?.focus();
	}
});
