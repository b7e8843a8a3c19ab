package httpapi

import (
	"net/http"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
	"tapline/push"
)

// getPushKey is GET /v1/push-key.
func (c *call) getPushKey() (answer, error) {
	key, err := push.PublicKey(c.Keys, c.Keys.Current(keyring.Push))
	if err != nil {
		return answer{}, err
	}
	return ok(api.PushKey{Key: key})
}

// getPushSubscription is GET /v1/push-subscription.
func (c *call) getPushSubscription() (answer, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{Devices: []payment.DeviceID{c.by.device}})
	if err != nil {
		return answer{}, err
	}
	if len(rows.Devices) == 0 {
		return answer{}, processor.ErrUnknownDevice
	}
	return ok(c.pushView(rows.Devices[0].Push))
}

// pushView is a subscription as its device sees it. One whose key is gone can wake nobody, and has to be made anew.
func (c *call) pushView(p processor.PushSubscription) api.PushSubscription {
	key, err := push.PublicKey(c.Keys, p.Version)
	if p.Endpoint == "" || err != nil {
		return api.PushSubscription{}
	}
	return api.PushSubscription{Active: true, Endpoint: p.Endpoint, Key: key, Debits: p.Debits, Since: &p.Since}
}

// subscribePush is POST /v1/push-subscription.
func (c *call) subscribePush() (answer, error) {
	var m consent.PushSubscription
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	version, known := push.VersionOf(c.Keys, m.Key)
	if !known {
		return answer{}, refuseField("invalid_field", "key")
	}
	public, auth := m.Parts()
	to := push.Subscription{Endpoint: m.Endpoint, Key: public, Auth: auth, Version: version}
	if to.Check() != nil {
		return answer{}, refuseField("invalid_field", "endpoint")
	}
	return c.setPush(device, key, m, processor.PushSubscription{
		Endpoint: to.Endpoint, Key: to.Key, Auth: to.Auth, Version: to.Version, Debits: m.Debits})
}

// unsubscribePush is POST /v1/push-subscription/remove.
func (c *call) unsubscribePush() (answer, error) {
	var m consent.PushRemoval
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	return c.setPush(device, key, m, processor.PushSubscription{})
}

func (c *call) setPush(device payment.DeviceID, key processor.KeyID, message any, p processor.PushSubscription) (answer, error) {
	command := &processor.SetPush{Device: device, Push: p}
	return c.do(processor.Request{Key: key, Digest: c.digest(message), Command: command, Answer: func(time.Time) (int, []byte) {
		return http.StatusOK, encode(c.pushView(command.After.Push))
	}})
}
