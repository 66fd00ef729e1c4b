'use strict';
'require baseclass';
'require dom';
'require ui';
'require uci';
'require sniroute.bus as bus';
'require sniroute.judge as judge';
'require sniroute.parts as parts';
'require sniroute.words as words';

// The dialog that takes a cluster's Secret. It goes to the daemon, which keeps it in a file; the page forgets it.

const CONFIG = 'sniroute';

// Says in the cluster's section where the credentials lie. A kubeconfig would be a second answer to the same question.
function write(name, answer) {
	if (uci.get(CONFIG, name) == null)
		uci.add(CONFIG, 'cluster', name);

	uci.set(CONFIG, name, 'server', answer.server);
	uci.set(CONFIG, name, 'ca_file', answer.ca_file);
	uci.set(CONFIG, name, 'token_file', answer.token_file);
	uci.unset(CONFIG, name, 'kubeconfig');
}

function field(id, title, help, input, more) {
	input.id = id;
	input.setAttribute('aria-describedby', '%s-help'.format(id));

	return E('div', { 'class': 'sniroute-field' }, [
		E('label', { 'for': id }, [ title ]), input, more ?? '',
		E('div', { 'id': '%s-help'.format(id), 'class': 'cbi-value-description' }, [ help ])
	]);
}

return baseclass.extend({
	// Opens the dialog. The section is saved through the map.
	open(map) {
		const clusters = uci.sections(CONFIG, 'cluster').map(s => s['.name']);

		const name = E('input', {
			'type': 'text', 'class': 'cbi-input-text', 'list': 'sniroute-clusters', 'autocomplete': 'off', 'maxlength': 64,
			'spellcheck': 'false', 'autocapitalize': 'none', 'value': clusters[0] ?? 'home'
		});
		const url = E('input', {
			'type': 'text', 'class': 'cbi-input-text', 'autocomplete': 'off', 'spellcheck': 'false', 'autocapitalize': 'none',
			'placeholder': 'https://192.168.0.10:6443', 'value': [ uci.get(CONFIG, clusters[0], 'server') ?? '' ].flat()[0]
		});
		const secret = E('textarea', {
			'class': 'cbi-input-textarea', 'rows': 8, 'autocomplete': 'off', 'spellcheck': 'false', 'wrap': 'off'
		});
		const result = E('div', { 'aria-live': 'polite' });
		const router = window.location.hostname.replace(/[\[\]]/g, ''); // around an IPv6 address

		const say = (kind, text, remedy) => dom.append(result, [ E('ul', { 'class': 'sniroute-problems' },
			[ parts.problem(kind, words.clean(text), remedy) ]) ]);

		const enroll = () => {
			dom.content(result, []);

			if (!/^[A-Za-z0-9_]+$/.test(name.value)) {
				say('bad', _('The cluster needs a name of letters, digits and underscores.'), '');
				name.focus();

				return Promise.resolve();
			}

			if (judge.tooLong(secret.value)) {
				say('bad', _('This is longer than the 64 KiB that the router\'s web server takes, and no Secret of an account.'), '');

				return Promise.resolve();
			}

			return bus.enroll(name.value, url.value.trim(), secret.value).then(answer => {
				secret.value = '';

				for (const note of answer.notes ?? [])
					dom.append(result, [ E('p', {}, [ words.clean(note) ]) ]);

				if (answer.error)
					say('bad', answer.error, answer.ca_file ? _('The credentials were kept nevertheless.') : '');

				if (!answer.ca_file)
					return undefined;

				return map.saveWith(() => write(name.value, answer)).then(() => {
					if (answer.tested)
						ui.hideModal();
					else
						dom.append(result, [ E('p', {}, [ _('The section was saved; Save & Apply puts it into force.') ]) ]);
				});
			}).catch(error => say('bad', error.message.split('\n')[0], '')).then(() => secret.focus());
		};

		ui.showModal(_('Enrol a cluster'), [
			E('div', { 'class': 'sniroute sniroute-form' }, [
				E('p', {}, [ _('Create the account and its Secret in the cluster first:') ]),
				E('pre', { 'class': 'sniroute-mono' }, [
					'ssh root@%s sniroute manifest | kubectl apply -f -\n'.format(router),
					'kubectl -n sniroute get secret sniroute-token -o yaml'
				]),
				field('sniroute-cluster', _('Cluster'), _('The name of its section; a new one is made if there is none.'), name,
					E('datalist', { 'id': 'sniroute-clusters' }, clusters.map(c => E('option', { 'value': c })))),
				field('sniroute-url', _('API server'), _('Where this router reaches it.'), url),
				field('sniroute-secret', _('Secret'),
					_('As YAML or JSON, what the second command prints. It is kept on the router and not shown again.'), secret),
				result
			]),
			E('div', { 'class': 'right button-row' }, [
				E('button', { 'class': 'btn cbi-button', 'click': ui.hideModal }, [ _('Dismiss') ]), ' ',
				E('button', {
					'class': 'btn cbi-button cbi-button-positive important', 'click': ui.createHandlerFn(this, enroll)
				}, [ _('Enrol') ])
			])
		], 'cbi-modal');

		parts.nameDialog();
		secret.focus();
	}
});
