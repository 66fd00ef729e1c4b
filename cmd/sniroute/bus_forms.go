package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/ubus"
	"github.com/sniroute/sniroute/pkg/watch"
)

// Bounds of what forms are answered.
const (
	mostProblems = 200       // of a configuration
	mostRemarks  = 500       // on an haproxy.cfg
	mostConfig   = 200 << 10 // bytes of a configuration that is made of one, which is answered twice

	// enrolling is how long credentials may be tried: LuCI waits for 20 seconds.
	enrolling = 15 * time.Second
)

// A problem is a config.Problem for a form, to be shown beside the field that it is about.
type problem struct {
	Line    int    `json:"line"`    // 0: not known
	Section string `json:"section"` // its name, libuci's where it has none of its own
	Type    string `json:"type"`
	Option  string `json:"option"`
	Value   string `json:"value"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
	Warning bool   `json:"warning"`
}

// check says what is wrong with a configuration, as `sniroute check` does. Reading a file that it names is not for
// everybody who may ask: only kubeconfigs that are in use, or lie where credentials do, are looked at.
func (o onBus) check(_ context.Context, c ubus.Call) (ubus.Table, error) {
	parsed, warnings, err := config.Parse(o.file, []byte(c.Args.String("config")))
	if err == nil {
		err = examine(parsed, o.own, o.mayRead)
	}
	answer := struct {
		Problems []problem `json:"problems"`
		More     int       `json:"more"` // that are not among them
	}{Problems: []problem{}}
	add := func(p config.Problem, warning bool) {
		if len(answer.Problems) == mostProblems {
			answer.More++
			return
		}
		message, remedy := p.Parts()
		answer.Problems = append(answer.Problems, problem{
			Line: p.Line, Section: clipped(p.Name, 256), Type: clipped(p.Type, 256), Option: clipped(p.Option, 256),
			Value: clipped(p.Value, 256), Message: clipped(message, 1024), Remedy: clipped(remedy, 1024), Warning: warning,
		})
	}
	var bad *config.Error
	switch {
	case errors.As(err, &bad):
		for _, p := range bad.Problems {
			add(p, false)
		}
	case err != nil:
		add(config.Problem{Text: err.Error()}, false)
	}
	for _, w := range warnings {
		add(config.Problem(w), true)
	}
	return tableOf(answer)
}

func (o onBus) mayRead(path string) bool {
	if filepath.Dir(path) == o.folder {
		return true
	}
	for _, cluster := range o.config().Clusters {
		if cluster.Kubeconfig == path {
			return true
		}
	}
	return false
}

// clipped bounds what a text takes.
func clipped(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "..."
}

// A formSection is a section for a form to fill in. Options have one value, or a list of them.
type formSection struct {
	Type    string     `json:"type"`
	Name    string     `json:"name"`
	Options ubus.Table `json:"options"`
}

type formRemark struct {
	Line int    `json:"line"` // 0: it is about the whole file
	Text string `json:"text"`
}

// importHAProxy says what does the same as a pasted haproxy.cfg. Files that it names are not read: whoever pastes it is
// not on the router.
func (o onBus) importHAProxy(_ context.Context, c ubus.Call) (ubus.Table, error) {
	answer := struct {
		Config   string        `json:"config"`
		Sections []formSection `json:"sections"`
		Remarks  []formRemark  `json:"remarks"`
		Error    string        `json:"error"` // why there is nothing of that
	}{Sections: []formSection{}, Remarks: []formRemark{}}
	file, text, remarks, err := convert("the file", []byte(c.Args.String("haproxy")), nil)
	if err == nil && len(text) > mostConfig {
		err = fmt.Errorf("what it says is %d bytes long as a configuration, %d are shown here: run"+
			" `sniroute import-haproxy FILE` on the router", len(text), mostConfig)
	}
	if err != nil {
		answer.Error = clipped(err.Error(), 4096)
		return tableOf(answer)
	}
	answer.Config = string(text)
	for _, s := range file.Sections {
		section := formSection{Type: s.Type, Name: s.Name, Options: ubus.Table{}}
		for _, option := range s.Options {
			var values []string
			for _, v := range option.Values {
				values = append(values, v.Text)
			}
			field := ubus.Field{Name: option.Name, Value: values}
			if !option.List {
				field.Value = values[0]
			}
			section.Options = append(section.Options, field)
		}
		answer.Sections = append(answer.Sections, section)
	}
	for i, r := range remarks {
		if i == mostRemarks {
			answer.Remarks = append(answer.Remarks, formRemark{0, fmt.Sprintf("and %d remarks more", len(remarks)-i)})
			break
		}
		answer.Remarks = append(answer.Remarks, formRemark(r))
	}
	return tableOf(answer)
}

// An enrolled cluster is what its section is to say.
type enrolled struct {
	Server    []string `json:"server"` // empty, as are the files, where nothing was written
	CAFile    string   `json:"ca_file"`
	TokenFile string   `json:"token_file"`
	Tested    bool     `json:"tested"` // the API server has taken the credentials
	Notes     []string `json:"notes"`  // what they may do
	Error     string   `json:"error"`
}

// enroll tries the credentials of a cluster and writes them. Nothing that it answers or logs is secret.
func (o onBus) enroll(ctx context.Context, c ubus.Call) (ubus.Table, error) {
	answer := enrolled{Server: []string{}, Notes: []string{}}
	e, err := o.enrolment(c.Args.String("cluster"), strings.TrimSpace(c.Args.String("url")))
	var permissions []watch.Permission
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, enrolling)
		defer cancel()
		permissions, err = e.Enroll(ctx, strings.NewReader(c.Args.String("secret")), slog.New(slog.DiscardHandler))
	}
	if err == nil || errors.Is(err, watch.ErrUntried) {
		answer.Server, answer.CAFile, answer.TokenFile = []string{e.Server}, e.CAFile, e.TokenFile
		o.log.Info("credentials were written", "cluster", c.Args.String("cluster"), "tried", err == nil)
	}
	if err != nil {
		answer.Error = clipped(err.Error(), 4096)
		return tableOf(answer)
	}
	answer.Tested, answer.Notes = true, permissionTexts(permissions)
	return tableOf(answer)
}

// enrolment says where the credentials of a cluster go: where its section in force has them, if they lie in the folder
// that is for them, else into files of its name, unless they are another cluster's. A page may have changed the section
// meanwhile, but nobody writes anywhere else by that.
func (o onBus) enrolment(cluster, url string) (watch.Enrolment, error) {
	const most = 64
	if len(cluster) > most || !regexp.MustCompile("^[A-Za-z0-9_]+$").MatchString(cluster) {
		return watch.Enrolment{}, fmt.Errorf("the cluster needs a name of at most %d letters, digits and underscores", most)
	}
	clusters := o.config().Clusters
	for _, c := range clusters {
		if c.Name == cluster && filepath.Dir(c.CAFile) == o.folder && filepath.Dir(c.TokenFile) == o.folder {
			return watch.Enrolment{Server: url, CAFile: c.CAFile, TokenFile: c.TokenFile}, nil
		}
	}
	e := watch.Enrolment{
		Server: url, CAFile: filepath.Join(o.folder, cluster+".crt"), TokenFile: filepath.Join(o.folder, cluster+".token"),
	}
	for _, c := range clusters {
		if c.Name != cluster && (c.CAFile == e.CAFile || c.TokenFile == e.TokenFile) {
			return watch.Enrolment{}, fmt.Errorf("cluster %s has a file called so: give this one another name", c.Name)
		}
	}
	return e, nil
}
