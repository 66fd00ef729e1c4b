package watch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const contentTypeJSON = "application/json"

// A codec decodes what the API server answers to one request, as JSON, into slim types. It takes the place of
// client-go's scheme, which would bring every type of the API into the program.
type codec struct {
	newObject func() object
	newList   func() runtime.Object
	most      int     // bytes of memory that the objects of one streamed list may take
	stream    *stream // of a watch; nil: any other request
}

// Encoder implements runtime.ClientNegotiator. Nothing is ever encoded: sniroute only reads.
func (codec) Encoder(string, map[string]string) (runtime.Encoder, error) {
	return nil, errors.New("sniroute writes nothing to the cluster")
}

// Decoder implements runtime.ClientNegotiator.
func (c codec) Decoder(contentType string, _ map[string]string) (runtime.Decoder, error) {
	if contentType != contentTypeJSON {
		return nil, runtime.NegotiateError{ContentType: contentType}
	}
	return answerDecoder{c}, nil
}

// StreamDecoder implements runtime.ClientNegotiator.
func (c codec) StreamDecoder(contentType string, _ map[string]string) (
	runtime.Decoder, runtime.Serializer, runtime.Framer, error) {
	if contentType != contentTypeJSON || c.stream == nil {
		return nil, nil, nil, runtime.NegotiateError{ContentType: contentType, Stream: true}
	}
	return objectDecoder{c}, eventDecoder{c.stream}, c.stream, nil
}

// An answerDecoder decodes the answer to a list request.
type answerDecoder struct{ codec }

func (d answerDecoder) Decode(data []byte, _ *schema.GroupVersionKind, into runtime.Object) (
	runtime.Object, *schema.GroupVersionKind, error) {
	if status, err := asStatus(data); status != nil || err != nil {
		return status, nil, err
	}
	if into == nil {
		into = d.newList()
	}
	return into, nil, decodeJSON(data, into)
}

// An objectDecoder decodes the object in an event.
type objectDecoder struct{ codec }

func (d objectDecoder) Decode(data []byte, _ *schema.GroupVersionKind, _ runtime.Object) (
	runtime.Object, *schema.GroupVersionKind, error) {
	if d.stream.isError { // the object of an event ERROR is a Status
		status := new(metav1.Status)
		if err := decodeJSON(data, status); err != nil {
			return nil, nil, d.stream.fail(err)
		}
		if err := apierrors.FromObject(status); !isExpired(err) { // that is the ordinary end of a watch
			d.stream.failed(err)
		}
		return status, nil, nil
	}
	o := d.newObject()
	if err := decodeJSON(data, o); err != nil {
		return nil, nil, d.stream.fail(err)
	}
	if o.metadata().Annotations[annotationInitialEnd] == "true" {
		d.stream.complete()
	}
	if d.stream.weight += o.weight(); d.stream.weight > d.most {
		return nil, nil, d.stream.fail(errTooMuch)
	}
	return o, nil, nil
}

// asStatus returns the answer if it is a Status, which is what the API server says in place of an answer.
func asStatus(data []byte) (runtime.Object, error) {
	var header struct {
		Kind string `json:"kind"`
	}
	if err := decodeJSON(data, &header); err != nil || header.Kind != "Status" {
		return nil, err
	}
	status := new(metav1.Status)
	return status, decodeJSON(data, status)
}

func decodeJSON(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("the API server's answer is not what it should be: %w", err)
	}
	return nil
}

// An eventDecoder decodes the envelope of an event.
type eventDecoder struct{ *stream }

func (d eventDecoder) Decode(data []byte, _ *schema.GroupVersionKind, into runtime.Object) (
	runtime.Object, *schema.GroupVersionKind, error) {
	event, ok := into.(*metav1.WatchEvent)
	if !ok {
		return nil, nil, fmt.Errorf("an event cannot be decoded into %T", into)
	}
	if err := decodeJSON(data, event); err != nil {
		return nil, nil, d.fail(err)
	}
	d.isError = event.Type == "ERROR"
	if event.Type == "BOOKMARK" {
		d.weight = 0 // a streamed list ends with one; what follows are changes
	}
	return event, nil, nil
}

func (eventDecoder) Encode(runtime.Object, io.Writer) error {
	return errors.New("sniroute writes nothing to the cluster")
}

func (eventDecoder) Identifier() runtime.Identifier { return "sniroute" }

// A stream is the body of one watch. Events are read and decoded by one goroutine; Close may be called by another.
type stream struct {
	opened   func()      // called once the API server has answered
	alive    func()      // called for every event
	complete func()      // called when a streamed list has ended
	failed   func(error) // called when the stream ends, or says something, that it should not
	closed   func()      // called once

	body    io.ReadCloser
	lines   *bufio.Reader
	read    int  // bytes of the event that is being read
	isError bool // the event that is being decoded is an ERROR
	weight  int  // of the objects since the last bookmark
	once    sync.Once
}

// NewFrameReader implements runtime.Framer.
func (s *stream) NewFrameReader(body io.ReadCloser) io.ReadCloser {
	s.body, s.lines = body, bufio.NewReaderSize(body, 16<<10)
	s.opened()
	return s
}

// NewFrameWriter implements runtime.Framer.
func (*stream) NewFrameWriter(w io.Writer) io.Writer { return w }

// Read reads one event, which is a line; as runtime.Framer has it, io.ErrShortBuffer says that there is more of it than
// fits. Whatever breaks the stream is io.EOF to the Reflector, which then watches on from where it was.
func (s *stream) Read(p []byte) (n int, err error) {
	for {
		if n == len(p) {
			return n, io.ErrShortBuffer
		}
		if _, err := s.lines.Peek(1); err != nil {
			if !errors.Is(err, io.EOF) || s.read > 0 {
				s.failed(fmt.Errorf("%w: %w", errBroken, err))
			}
			return 0, io.EOF
		}
		part, _ := s.lines.Peek(min(s.lines.Buffered(), len(p)-n))
		end := bytes.IndexByte(part, '\n')
		if end >= 0 {
			part = part[:end+1]
		}
		n += copy(p[n:], part)
		s.read += len(part)
		_, _ = s.lines.Discard(len(part)) // they are buffered
		if s.read > maxEventResponse {
			return 0, s.fail(errTooLarge)
		}
		if end >= 0 {
			s.read = 0
			s.alive()
			return n, nil
		}
	}
}

// Close implements io.Closer.
func (s *stream) Close() error {
	err := s.body.Close()
	s.once.Do(s.closed)
	return err
}

func (s *stream) fail(err error) error {
	s.failed(err)
	return err
}
