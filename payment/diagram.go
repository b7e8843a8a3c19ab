package payment

import (
	"fmt"
	"strings"
)

var actorNames = map[actor]string{service: "service", initiator: "initiator", associated: "associated device", anyone: "initiator, associated device, payee, service"}

// Diagram draws the table as a Mermaid state diagram. docs/payment.md holds it.
func Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	for _, t := range transitions {
		from, label := string(t.from), string(t.verb)
		if from == "" {
			from = "[*]"
		}
		if t.when.text != "" {
			label += " (" + t.when.text + ")"
		}
		if t.entry != "" {
			label += " / " + t.money()
		}
		fmt.Fprintf(&b, "    %s --> %s: %s\n", from, t.to, label)
	}
	for _, s := range States {
		if s.Final() {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	return b.String()
}

// money says what a line does to the money.
func (t transition) money() string {
	if t.to == Rehearsed && t.entry != "" {
		return "tries " + string(t.entry)
	}
	return string(t.entry)
}

// Table writes the table as Markdown. docs/payment.md holds it.
func Table() string {
	var b strings.Builder
	b.WriteString("| in state | command | given by | if | leads to | money |\n|---|---|---|---|---|---|\n")
	for _, t := range transitions {
		from, when, money := string(t.from), t.when.text, t.money()
		for _, cell := range []*string{&from, &when, &money} {
			if *cell == "" {
				*cell = "–"
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", from, t.verb, actorNames[t.by], when, t.to, money)
	}
	return b.String()
}
