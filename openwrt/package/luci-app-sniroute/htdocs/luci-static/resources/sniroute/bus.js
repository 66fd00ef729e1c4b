'use strict';
'require baseclass';
'require rpc';

// What is asked over ubus. Every call returns a promise that is rejected, with what the bus says, where the daemon does
// not run or the session may not call.

const PAGE = 500; // entries; the bus forwards 1 MiB

function declare(method, params) {
	return rpc.declare({ object: 'sniroute', method, params, expect: { '': {} }, reject: true });
}

const callRoutes = declare('routes', [ 'offset', 'limit' ]);

const callServices = rpc.declare({
	object: 'service',
	method: 'list',
	params: [ 'name' ],
	expect: { '': {} },
	reject: true
});

return baseclass.extend({
	status: declare('status'),
	explain: declare('explain', [ 'name' ]),
	check: declare('check', [ 'config' ]),
	import: declare('import', [ 'haproxy' ]),
	enroll: declare('enroll', [ 'cluster', 'url', 'secret' ]),
	seen: declare('seen'),
	log: declare('log'),
	recent: declare('recent'),

	// All routes and refused claims, page by page.
	routes() {
		const all = { routes: [], refused: [] };

		const next = offset => callRoutes(offset, PAGE).then(page => {
			all.routes.push(...(page.routes ?? []));
			all.refused.push(...(page.refused ?? []));

			return page.next ? next(page.next) : all; // a page of large entries has fewer
		});

		return next(0);
	},

	// The redirects and rules that procd hands to the firewall for as long as the service runs.
	redirects() {
		return callServices('sniroute').then(services => {
			const service = services.sniroute ?? {};
			const of = [ service, ...Object.values(service.instances ?? {}) ];

			return of.flatMap(o => Array.isArray(o.data?.firewall) ? o.data.firewall : []);
		});
	}
});
