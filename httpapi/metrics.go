package httpapi

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tapline/payment"
	"tapline/processor"
)

// Metrics measures the service for Prometheus. Labels are routes, states, stages and statuses, of which there are few;
// never an id.
type Metrics struct {
	registry  *prometheus.Registry
	http      http.Handler
	requests  *prometheus.CounterVec
	request   *prometheus.HistogramVec
	payments  *prometheus.CounterVec
	stage     *prometheus.HistogramVec
	batchSize prometheus.Histogram
	batch     prometheus.Histogram
	webhooks  *prometheus.CounterVec
	mails     *prometheus.CounterVec
	webhook   prometheus.Histogram
}

// Bounds of the histograms: what machines take, what people take, and how many commands fit a batch.
var (
	machineBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	humanBounds   = []float64{.1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600}
	sizeBounds    = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
)

// NewMetrics makes metrics that have measured nothing. One that is made before the processor measures its batches:
// give its OnBatch to processor.Config, and itself to Config.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counters("tapline_http_requests_total", "Requests answered.", "route", "status"),
		request:  histograms("tapline_http_request_duration_seconds", "How long requests took, long polls and streams included.", machineBounds, "route"),
		payments: counters("tapline_payments_total", "Payments that came into a state.", "state"),
		stage:    histograms("tapline_payment_stage_duration_seconds", "How long settled payments were in each stage.", humanBounds, "stage"),
		batchSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tapline_batch_commands", Help: "Commands per database transaction.", Buckets: sizeBounds}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tapline_batch_duration_seconds", Help: "How long database transactions took.", Buckets: machineBounds}),
		mails:    counters("tapline_mails_total", "E-mails handed to the relay, by what became of them.", "result"),
		webhooks: counters("tapline_webhook_attempts_total", "Webhook messages sent, by what became of them, and whether they are sent again.", "result", "final"),
		webhook: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tapline_webhook_duration_seconds", Help: "How long receivers of webhooks took.", Buckets: machineBounds}),
	}
	m.registry.MustRegister(m.requests, m.request, m.payments, m.stage, m.batchSize, m.batch, m.webhooks, m.webhook, m.mails, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.http = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histograms(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labels)
}

// measure adds the gauges of a service.
func (m *Metrics) measure(s *Service) {
	for _, g := range []struct {
		name, help string
		read       func() int
	}{
		{"tapline_pin_hashes_running", "PIN hashes being computed.", s.PINs.Running},
		{"tapline_pin_hashes_waiting", "PIN hashes waiting for their turn.", s.PINs.Waiting},
		{"tapline_requests_in_flight", "Requests being worked on, without those that wait for something to happen.", s.admission.inside},
		{"tapline_requests_waiting", "Requests waiting to be let in.", s.admission.outside},
		{"tapline_commands_waiting", "Commands waiting for the next batch.", s.Processor.Waiting},
		{"tapline_event_streams", "Event streams that are open.", s.streams.count},
		{"tapline_polls_waiting", "Polls that wait for a payment to change.", s.watch.polls},
	} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help},
			func() float64 { return float64(g.read()) }))
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tapline_clock_offset_seconds",
		Help: "By how much this machine's clock is ahead of the database's; NaN if that cannot be asked."},
		func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
			defer cancel()
			offset, err := s.clockOffset(ctx)
			if err != nil {
				return math.NaN()
			}
			return offset.Seconds()
		}))
}

// answered measures an answered request. The route is the mux's pattern.
func (m *Metrics) answered(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.request.WithLabelValues(route).Observe(took.Seconds())
}

// OnBatch measures a committed batch; it is for processor.Config.
func (m *Metrics) OnBatch(b processor.Batch) {
	m.batchSize.Observe(float64(b.Commands))
	m.batch.Observe(b.Took.Seconds())
	for _, p := range b.Changed {
		if p.State == payment.ApprovalRequired && p.CodeFailures > 0 {
			continue // it came into this state before, and its code was mistyped now
		}
		if p.Refunded > 0 {
			continue // it was settled before
		}
		m.payments.WithLabelValues(string(p.State)).Inc()
		for stage, took := range stages(p) {
			m.stage.WithLabelValues(stage).Observe(took.Seconds())
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

// OnWebhook measures a webhook message: its failure, one of a few words, or none; how long the receiver took; and whether it is sent
// no more.
func (m *Metrics) OnWebhook(failure string, took time.Duration, final bool) {
	if failure == "" {
		failure = "delivered"
	}
	m.webhooks.WithLabelValues(failure, strconv.FormatBool(final)).Inc()
	m.webhook.Observe(took.Seconds())
}

// OnMail counts an e-mail: its failure, one of a few words, or none.
func (m *Metrics) OnMail(failure string) {
	if failure == "" {
		failure = "sent"
	}
	m.mails.WithLabelValues(failure).Inc()
}

// ServeHTTP answers with all metrics.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.http.ServeHTTP(w, r) }
