package watch

import (
	"bytes"
	"errors"
	"io"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	restwatch "k8s.io/client-go/rest/watch"
)

func testStream() *stream {
	return &stream{opened: func() {}, alive: func() {}, complete: func() {}, failed: func(error) {}, closed: func() {}}
}

// decodeStream reads a stream as client-go does, up to the end or the first error.
func decodeStream(data []byte, most int) (objects []runtime.Object, err error) {
	s := testStream()
	c := codec{newObject: func() object { return new(Ingress) }, newList: func() runtime.Object { return newPages[Ingress]() },
		most: most, stream: s}
	object, event, framer, err := c.StreamDecoder(contentTypeJSON, nil)
	if err != nil {
		return nil, err
	}
	decoder := restwatch.NewDecoder(streaming.NewDecoder(framer.NewFrameReader(io.NopCloser(bytes.NewReader(data))), event), object)
	defer decoder.Close()
	for {
		_, o, err := decoder.Decode()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return objects, err
		}
		objects = append(objects, o)
	}
}

func TestStreamOfEvents(t *testing.T) {
	long := bytes.Repeat([]byte("a"), 100_000) // over every buffer
	data := append([]byte(`{"type":"ADDED","object":{"kind":"Ingress","metadata":{"name":"a"},"spec":{"rules":[{"host":"`), long...)
	data = append(data, []byte(`"}]}}}
{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}
{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true","x":"y"}}}}
{"type":"ADDED","object":{"meta`)...)
	objects, err := decodeStream(data, maxDecoded)
	if err != nil || len(objects) != 3 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	if i := objects[0].(*Ingress); i.Metadata.Name != "a" || len(i.Spec.Rules[0].Host) != len(long) {
		t.Errorf("object %+v", i.Metadata)
	}
	if s, ok := objects[1].(*metav1.Status); !ok || s.Code != 410 {
		t.Errorf("error %+v", objects[1])
	}
	if b := objects[2].(*Ingress).GetObjectMeta(); b.GetResourceVersion() != "7" ||
		b.GetAnnotations()["k8s.io/initial-events-end"] != "true" || len(b.GetAnnotations()) != 1 {
		t.Errorf("bookmark %+v", b)
	}
	if _, err := decodeStream(bytes.Repeat([]byte("a"), maxEventResponse+1), maxDecoded); !errors.Is(err, errTooLarge) {
		t.Errorf("an event without end: %v", err)
	}
	one := []byte(`{"type":"ADDED","object":{"metadata":{"name":"a"}}}` + "\n")
	if _, err := decodeStream(bytes.Repeat(one, 100), 10*weightOfObject); err == nil {
		t.Error("objects without end")
	}
}

// FuzzStream: whatever an API server sends, reading it ends well and within the bounds.
func FuzzStream(f *testing.F) {
	f.Add([]byte(`{"type":"ADDED","object":{"kind":"Ingress","metadata":{"name":"a","creationTimestamp":"2024-01-01T00:00:00Z","labels":{"a":"b"}},` +
		`"spec":{"rules":[{"host":"a"}]},"status":{"loadBalancer":{"ingress":[{"ip":"::1","ports":[{"port":1}]}]}}}}` + "\n"))
	f.Add([]byte(`{"type":"ERROR","object":{"code":500}}` + "\n" + `{"type":"NONE"}` + "\n\n"))
	f.Add([]byte(`{"type":"BOOKMARK","object":null}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, _ := decodeStream(data, 1<<20)
		var all Objects
		for _, o := range objects {
			if i, ok := o.(*Ingress); ok {
				all.Ingresses = append(all.Ingresses, i)
			}
		}
		for _, claim := range all.Claims("s") {
			if claim.Host == "" || len(claim.Host) > maxHostLength || len(claim.Addresses) > maxAddresses ||
				len(claim.StatusHostname) > maxHostLength {
				t.Fatalf("claim %+v", claim)
			}
		}
	})
}
