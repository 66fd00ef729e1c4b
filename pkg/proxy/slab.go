package proxy

// chunk is how many connections the slab grows by: nearly full pages, as the heap rounds them. Chunks never move, so a
// *conn stays valid.
const chunk = 512

// A slab holds the connections of one loop. It has no pointers, so that the garbage collector never looks inside, and
// each place has a generation that changes whenever it is freed, so that a late event never meets the next occupant.
type slab struct {
	chunks []*[chunk]conn
	free   uint32 // first free place, linked by conn.newer; 0: none, since place 0 is never given out
	used   int
}

// place returns the connection at index, occupied or not; nil if the slab was never that large.
func (s *slab) place(index uint32) *conn {
	if index/chunk >= uint32(len(s.chunks)) {
		return nil
	}
	return &s.chunks[index/chunk][index%chunk]
}

// take returns a place that is cleared but for its index and generation.
func (s *slab) take() *conn {
	if s.free == 0 {
		s.grow()
	}
	c := s.place(s.free)
	s.free = c.newer
	s.used++
	*c = conn{index: c.index, generation: c.generation, client: -1, server: -1, target: -1}
	c.up.buffer, c.down.buffer = noBuffer, noBuffer
	c.up.pipe, c.down.pipe = noPipe, noPipe
	return c
}

func (s *slab) grow() {
	first := uint32(len(s.chunks)) * chunk
	places := new([chunk]conn)
	s.chunks = append(s.chunks, places)
	for i := chunk - 1; i >= 0; i-- {
		index := first + uint32(i)
		places[i].index = index
		if index == 0 {
			continue
		}
		places[i].newer = s.free
		s.free = index
	}
}

// give frees a place.
func (s *slab) give(c *conn) {
	c.generation++
	c.state = stateFree
	c.newer = s.free
	s.free = c.index
	s.used--
}

// each calls f for every connection. f may free the connection that it is given.
func (s *slab) each(f func(*conn)) {
	for _, places := range s.chunks {
		for i := range places {
			if places[i].state != stateFree {
				f(&places[i])
			}
		}
	}
}
