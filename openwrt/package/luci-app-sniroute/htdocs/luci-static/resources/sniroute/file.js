'use strict';
'require baseclass';
'require uci';

// The configuration as the page has it now, with every change, as the text of /etc/config/sniroute.

const CONFIG = 'sniroute';
const PARTS = [ 'values', 'creates', 'changes', 'deletes', 'reorder' ];

function quoted(text) {
	return "'%s'".format(String(text).replace(/'/g, "'\\''"));
}

return baseclass.extend({
	// The text, and for each of its lines, counted from 1, the section and option that it comes from.
	text() {
		const lines = [], origins = [ null ];

		const add = (line, sid, option) => {
			for (const part of line.split('\n')) {
				lines.push(part);
				origins.push({ sid, option });
			}
		};

		for (const section of uci.sections(CONFIG)) {
			const sid = section['.name'];

			add(section['.anonymous'] ? 'config %s'.format(section['.type']) :
				'config %s %s'.format(section['.type'], quoted(sid)), sid, null);

			for (const name of Object.keys(section)) {
				const value = name.startsWith('.') ? null : uci.get(CONFIG, sid, name);

				if (Array.isArray(value))
					value.forEach(v => add('\tlist %s %s'.format(name, quoted(v)), sid, name));
				else if (value != null && value !== '')
					add('\toption %s %s'.format(name, quoted(value)), sid, name);
			}

			add('', sid, null);
		}

		return { text: lines.join('\n'), origins };
	},

	// What is changed and not saved yet, to return to it.
	snapshot() {
		return JSON.stringify(PARTS.map(part => uci.state[part][CONFIG] ?? null));
	},

	restore(snapshot) {
		JSON.parse(snapshot).forEach((kept, i) => {
			if (kept == null)
				delete uci.state[PARTS[i]][CONFIG];
			else
				uci.state[PARTS[i]][CONFIG] = kept;
		});
	}
});
