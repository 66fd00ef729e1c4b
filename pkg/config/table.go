package config

// A Section is one type of section of the configuration.
type Section struct {
	Type    string
	Only    string // the one name that a section of this type may have; empty: any
	Named   bool   // it must have a name, since others refer to it or it lasts over changes of the file
	Help    string
	Pending bool // accepted, but without effect yet
	Options []Option
}

// An Option is one option of a section.
type Option struct {
	Name     string
	Type     Type
	List     bool
	Default  string // as it would stand in the file, the items of a list with spaces between; empty: none
	Help     string
	Required bool
	Secret   bool // its value may be or hold a credential, and is not repeated in messages

	// Pending is set where the option is accepted, but has no effect yet: a value other than the default is warned
	// about. PendingValues are the words that have none, where the others have.
	Pending       bool
	PendingValues []string
}

// A Type is what values of an option look like.
type Type struct {
	Name   string // for people: "duration"
	Bounds string // for people: "10ms to 1m", or the words to choose from; empty: none

	refers []string // types of section whose names are its values
	words  []string // that are no names although the type refers to sections
	parse  func(string) (any, error)
}

// Section returns the table's section of that type, or nil.
func section(table []Section, typ string) *Section {
	for i := range table {
		if table[i].Type == typ {
			return &table[i]
		}
	}
	return nil
}

func (s *Section) option(name string) *Option {
	for i := range s.Options {
		if s.Options[i].Name == name {
			return &s.Options[i]
		}
	}
	return nil
}
