package httpapi_test

import (
	"testing"
	"time"

	"tapline/api"
)

// The clock of a world is its own, so days pass at once.
func TestDaysAreClosedInTheirOrderAndForEver(t *testing.T) {
	w := openWorld(t)
	first := w.clock.Now().UTC().Format(time.DateOnly)
	w.settled(12_50)
	w.clock.Advance(24 * time.Hour)
	second := w.clock.Now().UTC().Format(time.DateOnly)
	w.settled(1_00)
	w.clock.Advance(48 * time.Hour)
	fourth := w.clock.Now().UTC().Format(time.DateOnly)

	_, err := w.operator.CloseDay(w.ctx, second, "")
	expectProblem(t, err, "day_order")
	_, err = w.operator.CloseDay(w.ctx, w.clock.Now().Add(24*time.Hour).UTC().Format(time.DateOnly), "")
	expectProblem(t, err, "invalid_field")
	a, err := w.operator.CloseDay(w.ctx, first, "")
	w.must(err)
	b, err := w.operator.CloseDay(w.ctx, second, "")
	w.must(err)
	if a.Last != b.After || b.Previous != first || b.Totals[len(b.Totals)-1].Closing != 13_50 || b.Totals[len(b.Totals)-1].Credits != 1_00 {
		t.Errorf("the days are\n%+v\n%+v", a, b)
	}
	w.settled(2_00) // on the fourth day
	list, err := w.operator.ClosedDays(w.ctx, "")
	w.must(err)
	if list.Open != fourth || len(list.Days) != 2 || list.Days[1].Entries != a.Entries || list.Days[1].Totals[0] != a.Totals[0] {
		t.Errorf("the list is %+v", list)
	}
	_, err = w.operator.CloseDay(w.ctx, first, "again")
	expectProblem(t, err, "day_closed")
	c, err := w.operator.CloseDay(w.ctx, fourth, "")
	w.must(err)
	for _, d := range []api.ClosedDay{a, b, c} {
		if len(d.TrialBalance) != 1 || d.TrialBalance[0].Sum != 0 {
			t.Errorf("the trial balance of %s is %+v", d.Day, d.TrialBalance)
		}
	}
}

func TestOfManyWhoCloseADayOneDoes(t *testing.T) {
	w := openWorld(t)
	w.settled(12_50)
	day := w.clock.Now().UTC().Format(time.DateOnly)
	second := w.another("Bob")
	outcomes := make(chan error)
	for i := range 8 {
		by := w.operator
		if i%2 == 1 {
			by = second
		}
		go func() {
			_, err := by.CloseDay(w.ctx, day, "")
			outcomes <- err
		}()
	}
	done := 0
	for range 8 {
		if err := <-outcomes; err == nil {
			done++
		} else {
			expectProblem(t, err, "day_closed")
		}
	}
	if done != 1 {
		t.Errorf("it was closed %d times", done)
	}
}
