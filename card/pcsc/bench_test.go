//go:build linux

package pcsc_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"tapline/card"
	"tapline/card/cardtest"
)

// BenchmarkReadThroughPcscd reads a card that takes seven commands through a real pcscd and vpcd.
func BenchmarkReadThroughPcscd(b *testing.B) {
	reader, client := startReader(b)
	if err := reader.Insert(b.Context(), &cardtest.EMV{Leading: 3}); err != nil {
		b.Fatal(err)
	}
	_, c := connect(b, client, "")
	benchmarkRead(b, c)
}

// timed tells the time that a card and what is between took to answer.
type timed struct {
	card.Transmitter
	took time.Duration
}

func (t *timed) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	start := time.Now()
	defer func() { t.took += time.Since(start) }()
	return t.Transmitter.Transmit(ctx, command)
}

// BenchmarkReadInProcess reads the same card without pcscd: the share of the time that is ours.
func BenchmarkReadInProcess(b *testing.B) { benchmarkRead(b, &cardtest.EMV{Leading: 3}) }

// benchmarkRead reports the median and the slowest of twenty, and what of the median reading was spent outside of
// Transmit: the share of the code that reads.
func benchmarkRead(b *testing.B, t card.Transmitter) {
	b.ReportAllocs()
	var times, ours []time.Duration
	for b.Loop() {
		t := &timed{Transmitter: t}
		reading, err := card.Read(b.Context(), t, card.Terminal{})
		if err != nil || reading.APDUs != 7 {
			b.Fatalf("read %v, %v; want seven commands", reading, err)
		}
		times, ours = append(times, reading.Elapsed), append(ours, reading.Elapsed-t.took)
	}
	slices.Sort(times)
	slices.Sort(ours)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1e6, "median-ms")
	b.ReportMetric(float64(times[len(times)*95/100].Nanoseconds())/1e6, "p95-ms")
	b.ReportMetric(float64(ours[len(ours)/2].Nanoseconds())/1e6, "ours-ms")
}
