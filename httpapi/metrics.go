package httpapi

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tapline/payment"
	"tapline/processor"
)

// Metrics measures the service for Prometheus, in its text format 0.0.4. Labels are routes, states, stages and
// statuses, of which there are few; never an id.
type Metrics struct {
	mu         sync.Mutex
	counters   map[string]*family[uint64]
	histograms map[string]*family[*histogram]
	gauges     []gauge
}

// family is a metric with its labels' values.
type family[V any] struct {
	help   string
	values map[string]V // by labels as they are written, without braces
}

type gauge struct {
	name, help string
	read       func() float64
}

// histogram counts observations up to each of its bounds.
type histogram struct {
	bounds []float64
	counts []uint64
	sum    float64
	total  uint64
}

func (h *histogram) observe(v float64) {
	for i, bound := range h.bounds {
		if v <= bound {
			h.counts[i]++
		}
	}
	h.sum += v
	h.total++
}

// The metrics.
const (
	metricRequests  = "tapline_http_requests_total"
	metricRequest   = "tapline_http_request_duration_seconds"
	metricPayments  = "tapline_payments_total"
	metricStage     = "tapline_payment_stage_duration_seconds"
	metricBatchSize = "tapline_batch_commands"
	metricBatch     = "tapline_batch_duration_seconds"
)

// Bounds of the histograms: what machines take, what people take, and how many commands fit a batch.
var (
	machineBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	humanBounds   = []float64{.1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600}
	sizeBounds    = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
)

// NewMetrics makes metrics that have measured nothing. One that is made before the processor measures its batches:
// give its OnBatch to processor.Config, and itself to Config.
func NewMetrics() *Metrics {
	return &Metrics{
		counters: map[string]*family[uint64]{
			metricRequests: {help: "Requests answered.", values: map[string]uint64{}},
			metricPayments: {help: "Payments that came into a state.", values: map[string]uint64{}},
		},
		histograms: map[string]*family[*histogram]{
			metricRequest:   {help: "How long requests took, long polls and streams included.", values: map[string]*histogram{}},
			metricStage:     {help: "How long settled payments were in each stage.", values: map[string]*histogram{}},
			metricBatchSize: {help: "Commands per database transaction.", values: map[string]*histogram{}},
			metricBatch:     {help: "How long database transactions took.", values: map[string]*histogram{}},
		},
	}
}

// measure adds the gauges of a service.
func (m *Metrics) measure(s *Service) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gauges = []gauge{
		{"tapline_pin_hashes_running", "PIN hashes being computed.", func() float64 { return float64(s.PINs.Running()) }},
		{"tapline_pin_hashes_waiting", "PIN hashes waiting for their turn.", func() float64 { return float64(s.PINs.Waiting()) }},
		{"tapline_commands_waiting", "Commands waiting for the next batch.", func() float64 { return float64(s.Processor.Waiting()) }},
		{"tapline_event_streams", "Event streams that are open.", func() float64 { return float64(s.streams.count()) }},
		{"tapline_polls_waiting", "Polls that wait for a payment to change.", func() float64 { return float64(s.watch.polls()) }},
		{"go_goroutines", "Goroutines.", func() float64 { return float64(runtime.NumGoroutine()) }},
	}
}

func (m *Metrics) count(name, labels string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counters[name].values[labels]++
}

func (m *Metrics) observe(name, labels string, bounds []float64, v float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.histograms[name].values[labels]
	if h == nil {
		h = &histogram{bounds: bounds, counts: make([]uint64, len(bounds))}
		m.histograms[name].values[labels] = h
	}
	h.observe(v)
}

// request measures an answered request. The route is the mux's pattern.
func (m *Metrics) request(route string, status int, took time.Duration) {
	m.count(metricRequests, labels("route", route, "status", strconv.Itoa(status)))
	m.observe(metricRequest, labels("route", route), machineBounds, took.Seconds())
}

// OnBatch measures a committed batch; it is for processor.Config.
func (m *Metrics) OnBatch(b processor.Batch) {
	m.observe(metricBatchSize, "", sizeBounds, float64(b.Commands))
	m.observe(metricBatch, "", machineBounds, b.Took.Seconds())
	for _, p := range b.Changed {
		if p.State == payment.ApprovalRequired && p.CodeFailures > 0 {
			continue // it came into this state before, and its code was mistyped now
		}
		m.count(metricPayments, labels("state", string(p.State)))
		for stage, took := range stages(p) {
			m.observe(metricStage, labels("stage", stage), humanBounds, took.Seconds())
		}
	}
}

// stages are how long a settled payment was in each of its stages. A payment that ended otherwise tells of none: it may
// have waited for nobody.
func stages(p payment.Payment) map[string]time.Duration {
	if p.State != payment.Settled {
		return nil
	}
	took := map[string]time.Duration{"total": p.EndedAt.Sub(p.InstructedAt)}
	last := p.InstructedAt
	for _, stage := range []struct {
		name string
		at   time.Time
	}{{"authentication", p.AuthenticatedAt}, {"first_confirmation", p.ConfirmedAt}, {"second_confirmation", p.ApprovedAt}} {
		if !stage.at.IsZero() {
			took[stage.name] = stage.at.Sub(last)
			last = stage.at
		}
	}
	return took
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// labels writes names and values by turns.
func labels(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%s="%s"`, pairs[i], labelEscapes.Replace(pairs[i+1]))
	}
	return b.String()
}

// ServeHTTP answers with all metrics.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	m.write(&b)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = io.WriteString(w, b.String())
}

func (m *Metrics) write(w io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.counters)) {
		f := m.counters[name]
		head(w, name, f.help, "counter")
		for _, l := range slices.Sorted(maps.Keys(f.values)) {
			fmt.Fprintf(w, "%s%s %d\n", name, braced(l), f.values[l])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.histograms)) {
		f := m.histograms[name]
		head(w, name, f.help, "histogram")
		for _, l := range slices.Sorted(maps.Keys(f.values)) {
			f.values[l].write(w, name, l)
		}
	}
	for _, g := range m.gauges {
		head(w, g.name, g.help, "gauge")
		fmt.Fprintf(w, "%s %g\n", g.name, g.read())
	}
}

func head(w io.Writer, name, help, kind string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func braced(labels string) string {
	if labels == "" {
		return ""
	}
	return "{" + labels + "}"
}

func (h *histogram) write(w io.Writer, name, labels string) {
	comma := ""
	if labels != "" {
		comma = ","
	}
	for i, bound := range h.bounds {
		fmt.Fprintf(w, "%s_bucket{%s%sle=\"%g\"} %d\n", name, labels, comma, bound, h.counts[i])
	}
	fmt.Fprintf(w, "%s_bucket{%s%sle=\"+Inf\"} %d\n", name, labels, comma, h.total)
	fmt.Fprintf(w, "%s_sum%s %g\n%s_count%s %d\n", name, braced(labels), h.sum, name, braced(labels), h.total)
}
