'use strict';
'require baseclass';

// Calls over ubus, as uhttpd takes them: JSON-RPC by POST.

let last = 0;

const statuses = [
	'Command OK', 'Invalid command', 'Invalid argument', 'Method not found', 'Resource not found', 'No data received',
	'Permission denied', 'Request timeout', 'Not supported', 'Unspecified error', 'Connection lost'
];

async function call(options, params) {
	const where = `${options.object}/${options.method}`;

	const answer = await fetch(L.env.ubuspath, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({
			jsonrpc: '2.0', id: ++last, method: 'call', params: [ L.env.sessionid, options.object, options.method, params ]
		})
	});

	if (!answer.ok)
		L.raise('RPCError', 'RPC call to %s failed with HTTP error %d: %s', where, answer.status, answer.statusText);

	const message = await answer.json();

	if (message.error)
		L.raise('RPCError', 'RPC call to %s failed with error %d: %s', where, message.error.code, message.error.message);

	const [ status, result ] = message.result;

	if (options.reject && status != 0)
		L.raise('RPCError', 'RPC call to %s failed with ubus code %d: %s', where, status, statuses[status] ?? '?');

	return result ?? status;
}

// What the caller expects of the result: the member of a name, of the type of a default.
function expected(result, expect) {
	for (const key in expect ?? {}) {
		const value = (key == '') ? result : result?.[key];
		const same = Object.prototype.toString.call(value) == Object.prototype.toString.call(expect[key]);

		return same ? value : expect[key];
	}

	return result;
}

return baseclass.extend({
	declare: options => (...args) => {
		const params = {};

		(options.params ?? []).forEach((name, i) => {
			params[name] = args[i];
		});

		return call(options, params).then(result => expected(result, options.expect));
	}
});
