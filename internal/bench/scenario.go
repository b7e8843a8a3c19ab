package bench

import (
	"fmt"
	"slices"
	"strings"
)

// Scenario is a way to pay that is measured, with what it is compared with in the same runs.
type Scenario struct {
	Name  string
	About string
	flow  flow
	level string // of the service's policy
	floor bool   // compared with the same requests to a handler that does nothing but verify signatures
	hash  bool   // compared with PIN hashes alone
	many  int    // compared with that many payees, where the scenario has one; 0 if it is not
	small bool   // compared with a database of few accounts and no past payments
	nodes int    // services on one database, compared with one of them; 0 for one
}

// flow is what is done for a payment.
type flow string

// Flows. Those of engines call the processor, the others speak HTTP.
const (
	flowTap           flow = "tap"
	flowGesture       flow = "one-gesture"
	flowPIN           flow = "pin"
	flowApprove       flow = "approve"
	flowMixed         flow = "mixed" // one of those above each time, between reads
	flowEngine        flow = "engine"
	flowEngineTap     flow = "engine-tap"
	flowEngineApprove flow = "engine-approve"
	flowStart         flow = "start" // nothing is paid: a service starts
)

// mix is how many of a hundred payments of flowMixed are of each flow.
var mix = []struct {
	flow flow
	part int
}{{flowTap, 60}, {flowGesture, 30}, {flowPIN, 8}, {flowApprove, 2}}

// parts are the flows of which a flow consists.
func (f flow) parts() []flow {
	if f != flowMixed {
		return []flow{f}
	}
	var all []flow
	for _, m := range mix {
		all = append(all, m.flow)
	}
	return all
}

func (f flow) engine() bool { return strings.HasPrefix(string(f), "engine") }

// pins reports whether the flow needs cards with a PIN.
func (f flow) pins() bool { return f == flowPIN || f.borrows() }

// borrows reports whether the flow has second confirmations over HTTP.
func (f flow) borrows() bool { return f == flowApprove || f == flowMixed }

// approves reports whether a card can do it only so often in an hour.
func (f flow) approves() bool { return f.borrows() || f == flowEngineApprove }

const (
	manyPayees    = 10_000 // what one popular payee is compared with
	smallAccounts = 10_000 // what a large database is compared with
	coldStart     = "cold-start"
)

// Scenarios lists what can be measured.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "tap", About: "a tap is all: one signed request", flow: flowTap, level: "tap", floor: true},
		{Name: "one-gesture", About: "a passkey authenticates and confirms: two signed requests", flow: flowGesture, level: "approve", floor: true},
		{Name: "pin", About: "instruction, PIN, confirmation: three signed requests", flow: flowPIN, level: "approve", floor: true, hash: true},
		{Name: "approve", About: "as pin, from a borrowed device; the associated one reads and approves", flow: flowApprove, level: "approve", floor: true, hash: true},
		{Name: "mixed", About: "of 100 payments 60 tap, 30 one-gesture, 8 pin, 2 approve; each with two reads", flow: flowMixed, level: "tap", floor: true},
		{Name: "popular", About: "tap, all for one payee, against 10,000 payees", flow: flowTap, level: "tap", many: manyPayees},
		{Name: "large", About: "tap, against a database of 10,000 accounts and no past payments", flow: flowTap, level: "tap", small: true},
		{Name: "nodes", About: "tap, all for one payee, at two services on one database, against one of them", flow: flowTap, level: "tap", nodes: 2},
		{Name: "engine", About: "processor and store alone: instruction, authentication, confirmation, posting", flow: flowEngine, level: "confirm"},
		{Name: "engine-tap", About: "processor and store alone: one command", flow: flowEngineTap, level: "tap"},
		{Name: "engine-approve", About: "as engine, with a hold and a second confirmation", flow: flowEngineApprove, level: "approve"},
		{Name: "engine-popular", About: "engine-tap, all for one payee, against 10,000 payees", flow: flowEngineTap, level: "tap", many: manyPayees},
		{Name: "engine-large", About: "engine, against a database of 10,000 accounts and no past payments", flow: flowEngine, level: "confirm", small: true},
		{Name: coldStart, About: "tapline serve, from its start to its first answer; nothing is paid", flow: flowStart, level: "approve"},
	}
}

// OfEngine is the name of the engine's scenario that is like one over HTTP.
func OfEngine(name string) string {
	if name == "pin" {
		return string(flowEngine)
	}
	return string(flowEngine) + "-" + name
}

// FloorPrefix begins the name of a scenario's floor, which can be measured alone.
const FloorPrefix = "floor-"

// find returns the scenario of a name; alone is true for a floor by itself.
func find(name string) (s Scenario, alone bool, err error) {
	plain, alone := strings.CutPrefix(name, FloorPrefix)
	all := Scenarios()
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == plain })
	if i < 0 || alone && !all[i].floor {
		return s, false, fmt.Errorf("no scenario is called %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return all[i], alone, nil
}

// Names are the names of all scenarios and floors.
func Names() []string {
	var names, floors []string
	for _, s := range Scenarios() {
		names = append(names, s.Name)
		if s.floor {
			floors = append(floors, FloorPrefix+s.Name)
		}
	}
	return append(names, floors...)
}

// side is one of the things that take turns in a run.
type side string

// Sides. The last two are yardsticks besides.
const (
	sideReal    side = "real"
	sideFloor   side = "floor"
	sideHash    side = "hash"
	sideMany    side = "many"
	sideSmall   side = "small"
	sideOne     side = "one"
	sidePgbench side = "pgbench"
	sideAppend  side = "append"
)

// Yardsticks are what any scenario can be compared with besides, by name.
var Yardsticks = []string{string(sidePgbench), string(sideAppend)}

// sides are those of a scenario. The real one is the last.
func (s Scenario) sides(alone bool) []side {
	if alone {
		return []side{sideFloor}
	}
	var out []side
	for _, one := range []struct {
		side
		there bool
	}{
		{sideFloor, s.floor}, {sideHash, s.hash}, {sideMany, s.many > 0}, {sideSmall, s.small}, {sideOne, s.nodes > 0}, {sideReal, true},
	} {
		if one.there {
			out = append(out, one.side)
		}
	}
	return out
}
