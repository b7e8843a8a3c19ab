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
}

// flow is what is done for a payment.
type flow string

// Flows. Those of engines call the processor, the others speak HTTP.
const (
	flowTap           flow = "tap"
	flowGesture       flow = "gesture"
	flowPIN           flow = "pin"
	flowApprove       flow = "approve"
	flowEngine        flow = "engine"
	flowEngineTap     flow = "engine-tap"
	flowEngineApprove flow = "engine-approve"
)

func (f flow) engine() bool { return strings.HasPrefix(string(f), "engine") }

// pins reports whether the flow needs cards with a PIN.
func (f flow) pins() bool { return f == flowPIN || f == flowApprove }

// approves reports whether a card can do it only so often in an hour.
func (f flow) approves() bool { return f == flowApprove || f == flowEngineApprove }

// manyPayees is what one popular payee is compared with.
const manyPayees = 10_000

// Scenarios lists what can be measured.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "tap", About: "a tap is all: one signed request", flow: flowTap, level: "tap", floor: true},
		{Name: "gesture", About: "a passkey authenticates and confirms: two signed requests", flow: flowGesture, level: "approve", floor: true},
		{Name: "pin", About: "instruction, PIN, confirmation: three signed requests", flow: flowPIN, level: "approve", floor: true, hash: true},
		{Name: "approve", About: "as pin, from a borrowed device; the associated one reads and approves", flow: flowApprove, level: "approve", floor: true, hash: true},
		{Name: "popular", About: "tap, all for one payee, against 10,000 payees", flow: flowTap, level: "tap", many: manyPayees},
		{Name: "engine", About: "processor and store alone: instruction, authentication, confirmation, posting", flow: flowEngine, level: "confirm"},
		{Name: "engine-tap", About: "processor and store alone: one command", flow: flowEngineTap, level: "tap"},
		{Name: "engine-approve", About: "as engine, with a hold and a second confirmation", flow: flowEngineApprove, level: "approve"},
		{Name: "engine-popular", About: "engine-tap, all for one payee, against 10,000 payees", flow: flowEngineTap, level: "tap", many: manyPayees},
	}
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

// Sides.
const (
	sideReal  side = "real"
	sideFloor side = "floor"
	sideHash  side = "hash"
	sideMany  side = "many"
)

// sides are those of a scenario. The real one is the last.
func (s Scenario) sides(alone bool) []side {
	switch {
	case alone:
		return []side{sideFloor}
	case s.many > 0:
		return []side{sideMany, sideReal}
	}
	var out []side
	if s.floor {
		out = append(out, sideFloor)
	}
	if s.hash {
		out = append(out, sideHash)
	}
	return append(out, sideReal)
}
