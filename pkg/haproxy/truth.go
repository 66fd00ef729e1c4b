package haproxy

// A truth is what is known of a condition for a whole population of connections.
type truth uint8

const (
	no    truth = iota // of none
	maybe              // of some, or it is not known
	yes                // of all
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth        { return yes - t }
func (t truth) and(o truth) truth { return min(t, o) }
func (t truth) or(o truth) truth  { return max(t, o) }
func (t truth) invert(b bool) truth {
	if b {
		return t.not()
	}
	return t
}
