'use strict';
'require baseclass';
'require form';
'require sniroute.beside as beside';
'require sniroute.bus as bus';
'require sniroute.file as file';

// Has the daemon check the whole configuration whenever a form is saved, as `sniroute check` would, and refuses to save
// what it refuses. What was wrong before and is not made worse is shown, but does not stand in the way: otherwise two
// mistakes could not be mended one after the other.

const LIMIT = 62 << 10; // bytes of a request; uhttpd takes 64 KiB

const keyOf = p => JSON.stringify([ p.type, p.section, p.option, p.value, p.message ]);

return baseclass.extend({
	__init__() {
		this.known = new Set();
	},

	// Whether a text is too long to be sent to the router.
	tooLong(text) {
		return new TextEncoder().encode(JSON.stringify(text)).length > LIMIT;
	},

	// What is wrong with the configuration as it is now. Nobody can say where the daemon does not run.
	async look() {
		const { text, origins } = file.text();

		if (this.tooLong(text))
			return { problems: [], unchecked: _('It is too long to be checked here: uhttpd takes 64 KiB.') };

		try {
			const answer = await bus.check(text);

			return { problems: (answer.problems ?? []).map(p => ({ ...p, sid: origins[p.line]?.sid ?? p.section })) };
		}
		catch (error) {
			return { problems: [],
				unchecked: _('sniroute does not run, so that nobody has checked it; the log says what it makes of it.') };
		}
	},

	// Notes what was wrong before anybody changed something.
	async begin() {
		const { problems } = await this.look();

		this.note(problems);

		return problems;
	},

	note(problems) {
		this.known = new Set(problems.filter(p => !p.warning).map(keyOf));
	},

	// Puts the check into the life of a map. suggestions are those of beside.prepare.
	attach(map, suggestions) {
		const judge = this;

		map.renderContents = function() {
			return form.Map.prototype.renderContents.call(this).then(node => {
				beside.prepare(this, suggestions);

				if (this.problems)
					beside.show(this, this.problems, '');

				return node;
			});
		};

		map.save = function(cb) {
			const before = file.snapshot();

			beside.clear(this);

			// LuCI passes over what was typed into a list's field and not added.
			if (this.root.querySelector('[data-field]:not(.hidden) .cbi-input-invalid')) {
				const error = new Error(_('This was not saved: a value is not as expected.'));

				beside.show(this, [], error.message);

				return Promise.reject(error);
			}

			return form.Map.prototype.save.call(this, async () => {
				const { problems, unchecked } = await judge.look();

				if (problems.some(p => !p.warning && !judge.known.has(keyOf(p))))
					throw Object.assign(new Error(_('This was not saved, since sniroute would refuse it.')), { problems });

				judge.note(problems);
				this.problems = problems;
				this.unchecked = unchecked;

				return cb?.();
			}, true).catch(error => {
				file.restore(before);
				beside.show(this, error.problems ?? missingIn(this), error.problems ? error.message
					: _('This was not saved: %s').format(error.message.split('\n')[0]));

				throw error;
			});
		};
	}
});

// What has to be given and is not.
function missingIn(map) {
	return map.children.flatMap(section => section.cfgsections().flatMap(sid => section.children
		.filter(o => o.rmempty === false && o.isActive(sid) && !o.formvalue(sid)?.length)
		.map(o => ({
			sid, type: section.sectiontype, section: sid, option: o.option, message: _('is missing'), remedy: ''
		}))));
}
