package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"tapline/consent"
	"tapline/device"
)

// wire carries the requests of one card's devices to the service in the same process. They come from a network of their own, so
// that the rates of strangers' requests are theirs alone.
type wire struct {
	handler http.Handler
	from    string
}

// RoundTrip has the service answer.
func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := r.Clone(r.Context())
	asked.RequestURI, asked.RemoteAddr, asked.Host = r.URL.RequestURI(), w.from, r.URL.Host
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	a := &heard{header: http.Header{}}
	w.handler.ServeHTTP(a, asked)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1, Header: a.header, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: r,
	}, nil
}

// heard is an answer of the service.
type heard struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is what the answer says first.
func (h *heard) Header() http.Header { return h.header }

// WriteHeader notes the status.
func (h *heard) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

func (h *heard) Write(b []byte) (int, error) { return h.body.Write(b) }

// device is a device of a test card.
func (s *Sandbox) device(key *consent.DeviceKey, uid [7]byte) *device.Client {
	// A unique local network, RFC 4193 §3.1.
	from := fmt.Sprintf("[fd%02x:%02x%02x:%02x%02x:%02x00::1]:1", uid[1], uid[2], uid[3], uid[4], uid[5], uid[6])
	return &device.Client{URL: s.URL, HTTP: &http.Client{Transport: wire{s.handler, from}}, Key: key, Insecure: true}
}
