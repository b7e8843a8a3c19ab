package sim

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var mutate = flag.Bool("mutations", false, "run every mutation; without it they are only tried on the source")

// mutationSeeds is how many seeds a mutation has to survive to be missed.
const mutationSeeds = "1000"

// edit changes a place of the source.
type edit struct{ file, old, new string }

// mutation is a bug that somebody may make, to see whether the simulation finds it.
type mutation struct {
	name  string
	edits []edit
}

var mutations = []mutation{
	{"a card's message counts again", []edit{
		{"processor/sun.go", "if t.Version != c.SUNVersion || t.Counter <= c.SUNCounter {", "if t.Version != c.SUNVersion {"}}},
	{"a hold is released twice", []edit{
		{"payment/table.go", `{ApprovalRequired, MistypeCode, associated, codeTriesLeft, ApprovalRequired, ""}`,
			`{ApprovalRequired, MistypeCode, associated, codeTriesLeft, ApprovalRequired, ledger.Release}`}}},
	{"the settling transaction forgets expiry", []edit{
		{"processor/load.go", "p := u.Payments.rows[id]; p.Due(u.Now) {", "p := u.Payments.rows[id]; p.Due(u.Now) && p.State != payment.ApprovalRequired {"},
		{"payment/step.go", "due, over := p.Due(now), v ==", "due, over := p.Due(now) && p.State != ApprovalRequired, v =="}}},
	{"a PIN is verified before a try is reserved", []edit{
		{"processor/tries.go", "	u.Tries.Put(id, Tries{id, after})\n	return nil", "	_ = after\n	return nil"},
		{"processor/tries.go", "	if right {\n		row =", "	if !right {\n		after, _ := row.Reserve(limits, u.Now)\n		row = Tries{id, after}\n		u.Tries.Put(id, row)\n	}\n	if right {\n		row ="}}},
	{"money is posted without a hold", []edit{
		{"payment/table.go", "{ConfirmationRequired, Confirm, initiator, needsSecond, ApprovalRequired, ledger.Hold}",
			`{ConfirmationRequired, Confirm, initiator, needsSecond, ApprovalRequired, ""}`},
		{"payment/table.go", "{ApprovalRequired, Approve, associated, condition{}, Settled, ledger.PostHold}",
			"{ApprovalRequired, Approve, associated, condition{}, Settled, ledger.Post}"}}},
	{"an order can be paid twice", []edit{
		{"order/order.go", "	case o.State.Ended() || o.Due(now):\n		return ErrClosed\n	case o.State == Claimed:\n		return ErrClaimed", "	case o.Due(now):\n		return ErrClosed"}}},
	{"a repeat may have another body", []edit{
		{"processor/processor.go", "case k.Digest != j.req.Digest:", "case k.Digest == \"\":"}}},
	{"the daily limit of a card's number is lost", []edit{
		{"payment/policy.go", "return a == Authentic || today <= p.IdentifiedDailyLimit-minor", "return a == Authentic || minor <= p.IdentifiedDailyLimit"}}},
	{"the daily limit of taps is lost", []edit{
		{"payment/policy.go", "t.TapSpentToday <= p.TapDailyLimit-t.Minor", "t.Minor <= p.TapDailyLimit"}}},
	{"a freeze leaves open payments alone", []edit{
		{"processor/card.go", "	for _, p := range u.OpenOf(id) {\n		if _, err := u.Do(p, payment.Command{Verb: payment.Cancel", "	for _, p := range u.OpenOf(id)[:0] {\n		if _, err := u.Do(p, payment.Command{Verb: payment.Cancel"}}},
	{"an operator confirms a top-up of his own", []edit{
		{"processor/topup.go", "case c.Confirm && t.RequestedBy == c.By:", "case c.Confirm && t.RequestedBy == \"\":"}}},
	{"an answer is given without a commit", []edit{
		{"processor/processor.go", "		if err != nil {\n			j.answer, j.err = Answer{}, err\n		}\n		close(j.done)", "		close(j.done)"}}},
	{"commits are not synced", []edit{
		{"sqlstore/open.go", `"synchronous = FULL"`, `"synchronous = OFF"`}}},
	{"the answer is not kept with the effect", []edit{
		{"processor/processor.go", "		u.Keys.Put(k.KeyID, k)", "		_ = k"}}},
	{"a wrong approval code costs nothing", []edit{
		{"payment/table.go", "{\"tries left\", func(p Payment) bool { return p.CodeFailures+1 < CodeTries }}", "{\"tries left\", func(p Payment) bool { return true }}"}}},
	{"a refused command leaves traces", []edit{
		{"processor/processor.go", "	if j.err = j.req.Command.Do(u); j.err != nil {\n		u.drop()", "	if j.err = j.req.Command.Do(u); j.err != nil {\n		u.keep()"}}},
	{"a payment outlives a change of its card", []edit{
		{"processor/card.go", " && c.Version == p.CardVersion", ""}}},
	{"a passkey outlives its device", []edit{
		{"processor/passkey.go", "k.Device == c.Associated &&", "k.Device != \"\" &&"}}},
	{"a tap challenge counts again", []edit{
		{"processor/challenge.go", "	c.UsedAt = u.Now\n", ""}}},
	{"more is refunded than was settled", []edit{
		{"payment/refund.go", "r.Amount.Minor < 1 || r.Amount.Minor > left", "r.Amount.Minor < 1 || r.Amount.Minor > p.Amount.Minor"}}},
	{"a payment that was undone keeps its hold", []edit{
		{"payment/table.go", "{Undoable, Cancel, anyone, condition{}, Cancelled, ledger.Release}", `{Undoable, Cancel, anyone, condition{}, Cancelled, ""}`}}},
	{"a fee is taken that the payer was not shown", []edit{
		{"processor/fees.go", "case terms.PayerFee() != c.PayerFee:", "case c.PayerFee < 0:"}}},
	{"a payee gets the fee that it bears", []edit{
		{"payment/fee.go", "Minor: t.Amount.Minor - t.PayeeFee(),", "Minor: t.Amount.Minor,"}}},
	{"a dormant account pays like any other", []edit{
		{"payment/policy.go", "p.DormantAfter > 0 && t.Unused >= p.DormantAfter {", "p.DormantAfter < 0 {"}}},
	{"a payout is returned twice", []edit{
		{"payout/payout.go", "case v == Return && was == Confirmed:", "case v == Return && (was == Confirmed || was == Returned):"}}},
	{"an operator approves a payout of his own", []edit{
		{"processor/payout.go", "case c.Verb == payout.Approve && p.AskedBy == by:", "case c.Verb == payout.Approve && p.AskedBy == \"\":"}}},
	{"one operator alone has a large payout given back", []edit{
		{"processor/payout.go", "case c.Verb == payout.Return && p.ReturnedBy == by:", "case c.Verb == payout.Return && p.ReturnedBy == \"nobody\":"}}},
	{"money is paid out to a bank account that does not count yet", []edit{
		{"processor/payoutplan.go", "if !p.Change.From.IsZero() && !now.Before(p.Change.From) {", "if !p.Change.From.IsZero() {"}}},
	{"a card that was replaced is paid out", []edit{
		{"processor/payoutcard.go", "card.State != CardClosed || card.ReplacedBy != \"\":", "card.State != CardClosed:"}}},
	{"the number of second confirmations has no bound", []edit{
		{"processor/decide.go", "if waiting >= OpenApprovals || card.Approvals >= HourlyApprovals {", "if waiting > 1000 {"}}},
}

// TestMutationsFitTheSource wants each edit to have its one place, so that none is lost when the source changes.
func TestMutationsFitTheSource(t *testing.T) {
	for _, m := range mutations {
		m.overlay(t, t.TempDir())
	}
}

// overlay writes the changed files, and says which they stand for (go help build: -overlay).
func (m mutation) overlay(t *testing.T, dir string) (name string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	changed := map[string]string{}
	for _, e := range m.edits {
		path := filepath.Join(root, e.file)
		text, ok := changed[path]
		if !ok {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text = string(source)
		}
		if n := strings.Count(text, e.old); n != 1 {
			t.Errorf("%s: %q is %d times in %s, not once", m.name, e.old, n, e.file)
		}
		changed[path] = strings.Replace(text, e.old, e.new, 1)
	}
	replace := map[string]string{}
	for path, text := range changed {
		to := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[path] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestMutations wants the simulation to find every bug: make sim-mutations.
func TestMutations(t *testing.T) {
	if !*mutate {
		return // TestMutationsFitTheSource has tried them
	}
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			overlay := m.overlay(t, t.TempDir())
			out, err := exec.Command("go", "test", "-overlay", overlay, "-count=1", "-vet=off", "-run", "^TestSeeds$", ".",
				"-timeout", "1h", "-once", "-seeds", mutationSeeds).CombinedOutput()
			text := string(out)
			switch _, what, found := strings.Cut(text, ".go:"); {
			case err == nil:
				t.Errorf("%s seeds have not found it", mutationSeeds)
			case !found || !strings.Contains(text, "replay: go test"):
				t.Errorf("it does not run: %v\n%s", err, text)
			default:
				line, _, _ := strings.Cut(what, "\n")
				_, replay, _ := strings.Cut(text, "replay: ")
				replay, _, _ = strings.Cut(replay, "\n")
				_, ran, _ := strings.Cut(text, "sim_test.go:")
				_, ran, _ = strings.Cut(ran, ": ")
				ran, _, _ = strings.Cut(ran, " in ")
				t.Logf("found in %s: %s\n%s", ran, line, replay)
			}
		})
	}
}
