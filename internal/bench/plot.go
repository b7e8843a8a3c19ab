package bench

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strconv"
)

// The plot, in pixels.
const (
	plotWidth, plotHeight = 760, 440
	plotLeft, plotRight   = 70, 60
	plotTop, plotBottom   = 70, 60
)

// plotStyle is for bright and for dark surroundings.
const plotStyle = `
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.soft { fill: #57606a }
.ground { fill: #ffffff }
.grid { stroke: #d8dee4 }
.line { fill: none; stroke-width: 2.5 }
.p50 { stroke: #0550ae } .p99 { stroke: #bc4c00 }
circle.p50, text.p50 { fill: #0550ae } circle.p99, text.p99 { fill: #bc4c00 }
text.p50, text.p99 { stroke: none; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .soft { fill: #9198a1 } .ground { fill: #0d1117 } .grid { stroke: #30363d }
  .p50 { stroke: #79c0ff } .p99 { stroke: #ffa657 }
  circle.p50, text.p50 { fill: #79c0ff } circle.p99, text.p99 { fill: #ffa657 }
}`

// axes place rates and durations on the plot: rates evenly, durations by their logarithm.
type axes struct {
	rate     float64 // the greatest
	low, top float64 // milliseconds: powers of ten
}

func (a axes) x(rate float64) float64 {
	return plotLeft + rate/a.rate*(plotWidth-plotLeft-plotRight)
}

func (a axes) y(ms float64) float64 {
	part := math.Log10(max(ms, a.low)/a.low) / math.Log10(a.top/a.low)
	return plotHeight - plotBottom - part*(plotHeight-plotTop-plotBottom)
}

// axesOf fit the axes to what was measured.
func axesOf(all []Paced) axes {
	a := axes{low: math.Inf(1)}
	for _, p := range all {
		t := p.Steps[stepWhole]
		a.rate = max(a.rate, p.Rate)
		a.low, a.top = min(a.low, max(t.P50, 0.01)), max(a.top, t.P99)
	}
	step := roundStep(a.rate)
	a.rate = math.Ceil(a.rate/step) * step
	a.low = math.Pow(10, math.Floor(math.Log10(a.low)))
	a.top = max(a.low*10, math.Pow(10, math.Ceil(math.Log10(a.top))))
	return a
}

// roundStep is a round number of which four to eight make up the greatest rate.
func roundStep(rate float64) float64 {
	step := math.Pow(10, math.Floor(math.Log10(max(rate, 1))))
	for step*4 > rate {
		if step /= 2; step*4 > rate {
			step /= 2.5
		}
	}
	return step
}

// Plot draws how long whole payments lasted against how many began in a second: an SVG document.
func Plot(r Result) []byte {
	var b bytes.Buffer
	a := axesOf(r.Sweep)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title">`, plotWidth, plotHeight)
	title := html.EscapeString(fmt.Sprintf("%s on %s: how long a payment lasts", r.Scenario, r.Store))
	fmt.Fprintf(&b, "\n<title id=\"title\">%s</title>\n<style>%s\n</style>\n<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n", title, plotStyle)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="28">%s</text>`+"\n", plotLeft, title)
	fmt.Fprintf(&b, `<text class="soft" x="%d" y="48">open loop, %g s each; %d accounts, %d past payments; the closed loop made %.0f/s</text>`+"\n",
		plotLeft, r.Duration, r.Accounts, r.PastPayments, r.Rate)
	a.draw(&b)
	for _, s := range []struct {
		name string
		of   func(Times) float64
	}{{"p50", func(t Times) float64 { return t.P50 }}, {"p99", func(t Times) float64 { return t.P99 }}} {
		a.series(&b, s.name, r.Sweep, s.of)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// draw draws grid and labels.
func (a axes) draw(b *bytes.Buffer) {
	for n := math.Log10(a.low); n < math.Log10(a.top)+0.5; n++ {
		ms := math.Pow(10, math.Round(n))
		y := a.y(ms)
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotWidth-plotRight, y, y)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", plotLeft-8, y+4, strconv.FormatFloat(ms, 'f', -1, 64))
	}
	step := roundStep(a.rate)
	for rate := 0.0; rate < a.rate*1.001; rate += step {
		x := a.x(rate)
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x, x, plotTop, plotHeight-plotBottom)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%.0f</text>`+"\n", x, plotHeight-plotBottom+20, rate)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">payments that begin in a second</text>`+"\n",
		(plotLeft+plotWidth-plotRight)/2, plotHeight-16)
	fmt.Fprintf(b, `<text transform="translate(20 %d) rotate(-90)" text-anchor="middle">milliseconds</text>`+"\n", (plotTop+plotHeight-plotBottom)/2)
}

func (a axes) series(b *bytes.Buffer, name string, all []Paced, of func(Times) float64) {
	points, dots := "", ""
	var x, y float64
	for _, p := range all {
		x, y = a.x(p.Rate), a.y(of(p.Steps[stepWhole]))
		points += fmt.Sprintf("%.1f,%.1f ", x, y)
		dots += fmt.Sprintf(`<circle class="%s" cx="%.1f" cy="%.1f" r="3.5"><title>%.0f/s: %s %.2f ms</title></circle>`,
			name, x, y, p.Rate, name, of(p.Steps[stepWhole]))
	}
	fmt.Fprintf(b, `<polyline class="line %s" points="%s"/>%s<text class="%s" x="%.1f" y="%.1f">%s</text>`+"\n", name, points, dots, name, x+10, y+5, name)
}
