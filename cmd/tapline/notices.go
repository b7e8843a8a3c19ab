package main

import (
	"strings"
	"time"

	"tapline/httpapi"
	"tapline/internal/egress"
	"tapline/keyring"
	"tapline/notice"
	"tapline/payment"
	"tapline/processor"
	"tapline/push"
	"tapline/webhook"
)

// checkPush looks at whom push services are told to ask (RFC 8292 §2.1).
func (o *serviceOptions) checkPush() error {
	if o.PushSubject != "" && !strings.HasPrefix(o.PushSubject, "mailto:") && !strings.HasPrefix(o.PushSubject, "https://") {
		return &usageError{"--push-subject: want a mailto: or https: address", "such as mailto:ops@pay.example"}
	}
	return nil
}

// pushSubject is what push services are told, empty for nothing.
func (o *serviceOptions) pushSubject(publicURL string) string {
	if o.PushSubject == "" && strings.HasPrefix(publicURL, "https://") {
		return publicURL
	}
	return o.PushSubject
}

// checkWebhooks looks at where webhooks may be sent.
func (o *serviceOptions) checkWebhooks() error {
	if o.WebhooksHere && o.Environment == "live" {
		return &usageError{"--webhooks-here: only in the test environment", "a live service sends webhooks to public hosts by https"}
	}
	return nil
}

// newProcessor starts the processor, and makes those who send what there is to tell.
func (s *service) newProcessor(o serviceOptions, keys *keyring.Keyring, policy payment.Policy, metrics *httpapi.Metrics) {
	s.waker = notice.NewWaker(&push.Sender{Keys: keys, Subject: o.pushSubject(s.url), Client: egress.NewClient(o.egress), Now: time.Now}, o.log)
	s.processor = processor.New(processor.Config{Store: s.store, Keys: keys, Policy: policy, Limits: o.spending(), PayoutsAlone: o.FourEyesAbove, Log: o.log, OnBatch: func(b processor.Batch) {
		metrics.OnBatch(b)
		if b.WakeUps > 0 {
			s.waker.Kick()
		}
		if b.Mails > 0 && s.mailer != nil {
			s.mailer.Kick()
		}
	}})
	s.waker.Processor = s.processor
	if s.mailer != nil {
		s.mailer.Processor = s.processor
	}
	poster := &webhook.Poster{Client: egress.NewClient(o.egress), Refused: egress.ErrForbidden}
	if o.WebhooksHere {
		poster.Local = egress.NewClient(egress.Options{Here: true})
	}
	s.courier = notice.NewCourier(keys, poster, o.log)
	s.courier.Processor = s.processor
	s.courier.OnAttempt = func(a notice.Attempt) { metrics.OnWebhook(a.Failure, a.Took, a.Final) }
}
