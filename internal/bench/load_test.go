package bench

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/consent"
	"tapline/keyring"
)

// slow is a payer whose every payment lasts as long.
type slow time.Duration

func (s slow) pay(time.Time, *record) error { <-time.After(time.Duration(s)); return nil }

func TestOpenLoopCountsTheTimeThatAPaymentWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Two are due in a second, and each takes one: the n-th begins n/2 seconds late.
		got := drive(t.Context(), []payer{slow(time.Second)}, pace{duration: 4 * time.Second, rate: 2})
		want := &histogram{}
		for n := range 4 {
			want.note(time.Second + time.Duration(n)*time.Second/2)
		}
		if diff := cmp.Diff(want, got.times.steps[stepWhole], cmp.AllowUnexported(histogram{})); diff != "" || got.late != 4 {
			t.Errorf("%d were not begun, want 4; times (-want +got):\n%s", got.late, diff)
		}
	})
}

func TestClosedLoopFinishesWhatItHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := drive(t.Context(), []payer{slow(700 * time.Millisecond), slow(time.Second)}, pace{duration: 2 * time.Second})
		if got.payments != 5 || got.elapsed != 2100*time.Millisecond {
			t.Errorf("%d payments in %s, want 5 in 2.1s", got.payments, got.elapsed)
		}
	})
}

func TestQuantilesAreToldToAThousandth(t *testing.T) {
	all := newTimes()
	for n := 200; n > 0; n-- {
		all.note("step", time.Duration(n)*time.Millisecond)
	}
	got := all.table()["step"]
	for _, q := range []struct{ got, want float64 }{{got.P50, 100}, {got.P95, 190}, {got.P99, 198}, {got.Max, 200}} {
		if q.got < q.want || q.got > q.want*1.001 {
			t.Errorf("%+v; want 100, 190, 198, 200", got)
		}
	}
	single := newTimes()
	single.note("step", 7*time.Hour)
	single.note("other", 0)
	if got := single.table(); got["step"].P50 != got["step"].Max || got["other"].Max != 0 || got["other"].Count != 1 {
		t.Errorf("of one time: %+v", got)
	}
	if got := spreadOf([]float64{3, 1, 10, 2}); got != (Spread{2.5, 1, 10}) {
		t.Errorf("spread %+v", got)
	}
}

// Each duration is in one bucket, and buckets follow each other without a gap.
func TestBucketsOfDurationsFollowEachOther(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 1023, 1024, 2047, 2048, 4095, 4096, 4097, time.Millisecond, time.Second, time.Hour} {
		i := bucket(d)
		if longest(i) < d || i > 0 && longest(i-1) >= d || longest(i)-d > d/1024 {
			t.Errorf("%d ns is in bucket %d, which ends at %d after one that ends at %d", d, i, longest(i), longest(max(i-1, 0)))
		}
	}
	a, b := &histogram{}, &histogram{}
	a.note(time.Second)
	b.note(time.Microsecond)
	b.add(a)
	if b.n != 2 || b.most != time.Second || b.quantile(50) > 2*time.Microsecond {
		t.Errorf("added: %d, at most %s, median %s", b.n, b.most, b.quantile(50))
	}
}

func TestRatioIsTheMedianOfTheRunsRatios(t *testing.T) {
	of := func(n int) tally { return tally{record: record{payments: n}, elapsed: time.Second} }
	m := &meter{Scenario: Scenario{Name: "tap"}, tallies: map[side][]tally{sideFloor: {of(100), of(1000), of(10)}}, used: map[side][3]Usage{}}
	got := m.against(sideFloor, []tally{of(50), of(900), of(8)}, 0)
	if got.Ratio != (Spread{0.8, 0.5, 0.9}) || got.Rate != 100 {
		t.Errorf("%+v; want 0.8 (0.5 to 0.9) of 100", got)
	}
}

func TestCardsAreNotShared(t *testing.T) {
	town := Town{Accounts: 50, PINs: 10}
	for _, f := range []flow{flowTap, flowGesture, flowPIN, flowApprove} {
		owner := map[int]int{}
		for i := range 4 {
			d := newDeck(town, f, i, 4)
			for range 10 {
				card, err := d.draw()
				if err != nil {
					t.Fatal(err)
				}
				if had, ok := owner[card]; ok && had != i || card >= town.Accounts || hasPasskey(card) != (f == flowGesture) {
					t.Errorf("%s: card %d of payer %d, and of payer %d", f, card, i, had)
				}
				owner[card] = i
			}
		}
	}
}

func TestApprovingCardsAreUsedNoMoreThanTheyMayBe(t *testing.T) {
	d := newDeck(Town{Accounts: 50, PINs: 3}, flowApprove, 0, 2)
	drawn := map[int]int{}
	for {
		card, err := d.draw()
		if err != nil {
			break
		}
		drawn[card]++
	}
	if diff := cmp.Diff(map[int]int{0: 5, 4: 5}, drawn); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFloorRefusesWhatIsNotSigned(t *testing.T) {
	keys, err := keyring.Create(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	const origin = "http://localhost:1"
	town := NewTown(4, 1, 0, 0)
	handler, err := newFloor(town, keys, origin, map[string][]byte{
		"tap/instruct": []byte("{}"), "one-gesture/instruct": []byte(`{"id":"pay_x"}`), "one-gesture/confirm": []byte("{}"),
	})
	if err != nil {
		t.Fatal(err)
	}
	devices, err := town.deviceKeys()
	if err != nil {
		t.Fatal(err)
	}
	post := func(path, body string) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", api.ContentJWS)
		handler.ServeHTTP(w, r)
		return w.Code
	}
	sign := func(typ consent.Typ, m any) string {
		text, err := consent.Sign(devices[1], typ, m)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	claims := consent.NewClaims(consent.Audience(origin, "test"), time.Now())
	master := newMaster(keys)
	tag := cardtest.SUN{UID: town.uid(1), Meta: master.meta, File: master.File(town.uid(1))}
	forged := cardtest.SUN{UID: town.uid(1), Meta: master.meta, File: master.File(town.uid(2))}
	instruction := func(c *cardtest.SUN) string {
		m := &consent.Instruction{Claims: claims, Device: devices[1].ID(), Amount: one, Payee: string(town.handle(0)),
			Tap: consent.Tap{SUN: consent.SUNMessage(origin + "/t#" + c.Tap())}, Order: consent.Order{Number: string(flowTap)}}
		m.ID = string(consent.NewPaymentID())
		return sign(consent.TypInstruction, m)
	}
	good := instruction(&tag)
	broken := good[:len(good)-8] + "AAAAAAAA"
	for name, c := range map[string]struct {
		body string
		want int
	}{"right": {good, 201}, "signature": {broken, 400}, "card": {instruction(&forged), 400}} {
		if got := post("/v1/payments", c.body); got != c.want {
			t.Errorf("%s: answered %d, want %d", name, got, c.want)
		}
	}
	statement := sampleStatement(t, town)
	for device, want := range map[int]int{1: 200, 2: 400} {
		a, err := assert(town.passkey(device), town.credential(1), origin, statement)
		if err != nil {
			t.Fatal(err)
		}
		body := sign(consent.TypConfirmation, &consent.Decision{Claims: claims, Payment: consent.NewPaymentID(),
			Decision: consent.Approve, Statement: statement, Passkey: &a})
		if got := post("/v1/payments/pay_x/confirmation", body); got != want {
			t.Errorf("passkey of device %d: answered %d, want %d", device, got, want)
		}
	}
}

// sampleStatement is one that can be confirmed.
func sampleStatement(t *testing.T, town Town) string {
	t.Helper()
	s := consent.Statement{
		Version: consent.VersionOf(false), Role: consent.First, Payment: consent.NewPaymentID(), Amount: one, AmountText: consent.AmountText(one, false),
		PayeeHandle: string(town.handle(0)), PayeeName: "Book Shop", PayeeAccount: string(town.shop(0)), CardAccount: consent.MaskLast4("1234"),
		CardLabel: "Campus card", Device: consent.DeviceID(strings.Repeat("A", 43)), DeviceLabel: "My phone",
		OrderHash: consent.OrderHash(consent.Order{}, one, string(town.handle(0))), Nonce: "1." + consent.NewID(), ExpiresAt: consent.At(time.Now()),
	}
	return s.Text()
}
