package storetest

import (
	"fmt"
	"strings"
	"time"

	"tapline/payment"
	"tapline/processor"
)

func (s *suite) dueWakeUps() {
	s.save(world())
	var all []processor.WakeUp
	for i, after := range []time.Duration{3, 1, 2} {
		w := wakeUp("phone1", processor.WakeKinds[i])
		w.NextAt = noon.Add(after * time.Second)
		all = append(all, w)
	}
	sent := wakeUp("phone2", processor.WakeApprove)
	sent.NextAt = time.Time{}
	same := wakeUp("laptop", processor.WakeAlarm)
	same.NextAt = noon.Add(time.Second)
	s.save(processor.Changes{New: processor.Rows{WakeUps: append(all, sent, same)}})
	approve, debit, alarm := all[0].WakeID, all[1].WakeID, all[2].WakeID
	for _, c := range []struct {
		now   time.Time
		limit int
		want  []processor.WakeID
	}{
		{noon.Add(time.Second - 1), 10, nil},
		{noon.Add(time.Second), 10, []processor.WakeID{same.WakeID, debit}},
		{noon.Add(time.Hour), 3, []processor.WakeID{same.WakeID, debit, alarm}},
		{noon.Add(time.Hour), 10, []processor.WakeID{same.WakeID, debit, alarm, approve}},
	} {
		s.view(func(r processor.Reader) error {
			got, err := r.Due(c.now, c.limit)
			s.equal(fmt.Sprintf("due at %v", c.now), got.WakeUps, c.want)
			return err
		})
	}
}

func (s *suite) impossibleSubscriptions() {
	for what, change := range map[string]func(*processor.Device){
		"no key":           func(d *processor.Device) { d.Push.Key = nil },
		"a short secret":   func(d *processor.Device) { d.Push.Auth = d.Push.Auth[:15] },
		"no version":       func(d *processor.Device) { d.Push.Version = 0 },
		"no time":          func(d *processor.Device) { d.Push.Since = time.Time{} },
		"a key alone":      func(d *processor.Device) { d.Push.Endpoint = "" },
		"a long address":   func(d *processor.Device) { d.Push.Endpoint += strings.Repeat("x", 1024) },
		"a revoked device": func(d *processor.Device) { d.RevokedAt = noon },
	} {
		d := device("phone")
		d.Push = processor.PushSubscription{Endpoint: "https://push.example/1", Key: make([]byte, 65), Auth: make([]byte, 16), Version: 1, Since: noon}
		change(&d)
		s.refused(what, processor.Changes{New: processor.Rows{Devices: []processor.Device{d}}})
	}
	s.holds(processor.Wants{Devices: []payment.DeviceID{"phone"}}, processor.Rows{})
}

func (s *suite) dueMails() {
	s.save(world())
	var all []processor.Mail
	for i, after := range []time.Duration{3, 1, 2} {
		m := mailOf(fmt.Sprint("m", i))
		m.NextAt = noon.Add(after * time.Second)
		all = append(all, m)
	}
	sent := mailOf("sent")
	sent.State, sent.NextAt = processor.MailSent, time.Time{}
	s.save(processor.Changes{New: processor.Rows{Mails: append(all, sent)}})
	for _, c := range []struct {
		now   time.Time
		limit int
		want  []string
	}{{noon, 10, nil}, {noon.Add(2 * time.Second), 10, []string{"m1", "m2"}}, {noon.Add(time.Hour), 1, []string{"m1"}}} {
		s.view(func(r processor.Reader) error {
			got, err := r.Due(c.now, c.limit)
			s.equal(fmt.Sprintf("due at %v", c.now), got.Mails, c.want)
			return err
		})
	}
}
