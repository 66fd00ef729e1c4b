'use strict';

// Starts the view that the page is for, in the colours that the browser prefers.

const dark = window.matchMedia('(prefers-color-scheme: dark)');
const darken = () => document.documentElement.setAttribute('data-darkmode', dark.matches);

dark.addEventListener('change', darken);
darken();

document.addEventListener('DOMContentLoaded', () => {
	for (const link of document.querySelectorAll('#tabmenu a'))
		link.textContent = _(link.dataset.title);

	L.start(JSON.parse(document.body.dataset.env));
});
