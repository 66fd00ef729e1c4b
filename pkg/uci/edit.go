package uci

// AddSection adds a section at the end and returns it. name is empty for an anonymous one, which gets the name that
// libuci gives it.
func (f *File) AddSection(typ, name string) *Section {
	s := &Section{Type: typ, Name: name}
	if name == "" {
		s.Anonymous = true
		s.Name = anonymousName(len(f.Sections)+1, typ)
	}
	f.Sections = append(f.Sections, s)
	return s
}

// Set gives an option one value in place of all that it has; an empty value removes it (uci_set).
func (s *Section) Set(name, value string) {
	for i, o := range s.Options {
		if o.Name != name {
			continue
		}
		if value == "" {
			s.Options = append(s.Options[:i], s.Options[i+1:]...)
			return
		}
		o.List = false
		o.Values = []Value{{Text: value}}
		return
	}
	if value != "" {
		s.Options = append(s.Options, &Option{Name: name, Values: []Value{{Text: value}}})
	}
}

// Add gives a list more values; an option that is no list becomes one (uci_add_list).
func (s *Section) Add(name string, values ...string) {
	if len(values) == 0 {
		return
	}
	o := s.Option(name)
	if o == nil {
		o = &Option{Name: name}
		s.Options = append(s.Options, o)
	}
	o.List = true
	for _, v := range values {
		o.Values = append(o.Values, Value{Text: v})
	}
}
