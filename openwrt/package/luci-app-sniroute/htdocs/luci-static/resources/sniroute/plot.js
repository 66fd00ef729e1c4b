'use strict';
'require baseclass';

// Small plots of the last minutes, drawn as SVG.

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240, HEIGHT = 60, SAMPLES = 60;

const KEY = 'sniroute.history';
const GAP = 60000; // ms; what is older is no beginning of the same line

function svg(name, attributes, children) {
	const node = document.createElementNS(SVG, name);

	for (const key in attributes)
		node.setAttribute(key, attributes[key]);

	for (const child of children ?? [])
		node.appendChild(child);

	return node;
}

// The next of 1, 2, 5, 10, 20, ... that is not below n.
function ceiling(n) {
	let unit = 1;

	while (unit * 10 < n)
		unit *= 10;

	return [ 1, 2, 5, 10 ].map(f => f * unit).find(top => top >= n);
}

function points(samples, most) {
	const from = SAMPLES - samples.length;

	return samples.map((n, i) => '%.1f,%.1f'.format(
		(from + i) * WIDTH / (SAMPLES - 1), HEIGHT - 1 - n / most * (HEIGHT - 4)));
}

return baseclass.extend({
	// A history keeps the newest samples of some numbers, over a visit of another page too.
	history() {
		try {
			const kept = JSON.parse(window.sessionStorage.getItem(KEY));

			if (Date.now() - kept.last.now < GAP && kept.samples.every(s => Array.isArray(s)))
				return kept;
		}
		catch (e) {
			// nothing is kept, or nothing can be
		}

		return { samples: [], last: null };
	},

	// Adds a sample: a number of now, and totals, which become rates since the last one.
	add(history, now, level, totals) {
		const last = history.last;

		history.last = { now, totals };

		if (!last || now <= last.now)
			return;

		const rates = totals.map((n, i) => Math.max(0, (n - last.totals[i]) / ((now - last.now) / 1000)));

		history.samples.push([ level, ...rates ]);
		history.samples.splice(0, history.samples.length - SAMPLES);

		try {
			window.sessionStorage.setItem(KEY, JSON.stringify(history));
		}
		catch (e) {
			// then it begins anew on the next visit
		}
	},

	// A plot of the columns of a history that are named by their index; value turns a number into text.
	draw(history, columns, title, value) {
		const lines = columns.map(c => history.samples.map(s => s[c]));
		const most = ceiling(Math.max(1, ...lines.flat()));
		const newest = lines.map(l => value(l.at(-1) ?? 0));

		const drawn = lines.map((line, i) => {
			const at = points(line, most);

			return svg('g', { 'class': 'line%d'.format(i) }, at.length ? [
				svg('polygon', {
					'class': 'area',
					'points': [ '%.1f,%d'.format((SAMPLES - at.length) * WIDTH / (SAMPLES - 1), HEIGHT), ...at,
						'%d,%d'.format(WIDTH, HEIGHT) ].join(' ')
				}),
				svg('polyline', { 'class': 'stroke', 'points': at.join(' ') })
			] : []);
		});

		return E('figure', { 'class': 'sniroute-plot' }, [
			E('figcaption', {}, [ title ]),
			E('div', { 'class': 'now' }, newest.map((text, i) => E('span', { 'class': 'line%d'.format(i) }, [ text ]))),
			svg('svg', {
				'viewBox': '0 0 %d %d'.format(WIDTH, HEIGHT), 'preserveAspectRatio': 'none', 'role': 'img',
				'aria-label': _('%s: now %s, at most %s').format(title, newest.join(', '), value(most))
			}, [
				svg('line', { 'class': 'grid', 'x1': 0, 'x2': WIDTH, 'y1': 3, 'y2': 3 }),
				...drawn
			]),
			E('div', { 'class': 'top', 'aria-hidden': 'true' }, [ value(most) ])
		]);
	}
});
