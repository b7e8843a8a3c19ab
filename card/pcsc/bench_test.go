package pcsc_test

import (
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

// BenchmarkReadInProcess reads the same card without pcscd: the share of the time that is ours.
func BenchmarkReadInProcess(b *testing.B) { benchmarkRead(b, &cardtest.EMV{Leading: 3}) }

func benchmarkRead(b *testing.B, t card.Transmitter) {
	b.ReportAllocs()
	var times []time.Duration
	for b.Loop() {
		reading, err := card.Read(b.Context(), t, card.Terminal{})
		if err != nil || reading.APDUs != 7 {
			b.Fatalf("read %v, %v; want seven commands", reading, err)
		}
		times = append(times, reading.Elapsed)
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1e6, "median-ms")
	b.ReportMetric(float64(times[len(times)*95/100].Nanoseconds())/1e6, "p95-ms")
}
