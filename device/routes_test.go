package device_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"tapline/device"
	"tapline/httpapi"
)

// methods are those of the client by the operation that each asks for. What a Payment, Draft or Approval does is named with its type.
var methods = map[string]any{
	"registerDevice": (*device.Client).Register,
	"getPayee":       (*device.Client).PayeeIn,
	"challengeTap":   (*device.Client).TapChallenge,
	"presentTap":     (*device.Client).Tap,

	"instructPayment":       (*device.Draft).Send,
	"authenticatePayment":   (*device.Payment).Authenticate,
	"confirmPayment":        (*device.Payment).Confirm,
	"approvePayment":        (*device.Approval).Approve,
	"cancelPayment":         (*device.Client).Cancel,
	"getPayment":            (*device.Client).Wait,
	"listPayments":          (*device.Client).EachPayment,
	"getReceipt":            (*device.Client).Receipt,
	"listRefunds":           (*device.Client).Refunds,
	"getOrder":              (*device.Client).PlacedOrder,
	"getOrderTemplate":      (*device.Client).Template,
	"makeOrderFromTemplate": (*device.Client).OrderFrom,
	"streamEvents":          (*device.Client).Events,

	"activateCard":    (*device.Client).Activate,
	"listCards":       (*device.Client).Cards,
	"getCard":         (*device.Client).Card,
	"limitCard":       (*device.Client).SetRules,
	"changePIN":       (*device.Client).ChangePIN,
	"getEmail":        (*device.Client).Email,
	"askEmail":        (*device.Client).AskEmail,
	"confirmEmail":    (*device.Client).ConfirmEmail,
	"removeEmail":     (*device.Client).RemoveEmail,
	"rebindCard":      (*device.Client).Rebind,
	"removeDevice":    (*device.Client).RemoveDevice,
	"freezeCard":      (*device.Client).Freeze,
	"loseCard":        (*device.Client).ReportLost,
	"unfreezeCard":    (*device.Client).Unfreeze,
	"registerPasskey": (*device.Client).RegisterPasskey,
	"listPasskeys":    (*device.Client).Passkeys,
	"removePasskey":   (*device.Client).RemovePasskey,
}

// without are operations for devices that the client does not ask for, and why.
var without = map[string]string{
	"getPushSubscription": "only browsers are woken by Web Push",
	"subscribePush":       "only browsers are woken by Web Push",
	"unsubscribePush":     "only browsers are woken by Web Push",
	"nextEvents":          "Events opens a stream; Client.Wait waits for a payment where none gets through",
	"makeTestPayment":     "package payee has it; devices may for the pages of a sandbox",
	"getRefund":           "Refunds lists all that there is of a payment",
}

// TestEveryOperationOfADeviceHasAMethod compares the client with the OpenAPI document: what takes a device's token, or what it signs.
func TestEveryOperationOfADeviceHasAMethod(t *testing.T) {
	type operation struct {
		ID       string                `json:"operationId"`
		Security []map[string][]string `json:"security"`
		Body     struct {
			Content map[string]any `json:"content"`
		} `json:"requestBody"`
	}
	var document struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(httpapi.Document("https://pay.example", "test"), &document); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for path, operations := range document.Paths {
		for method, op := range operations {
			signed := op.Body.Content["application/jose"] != nil
			for _, s := range op.Security {
				signed = signed || s["device_token"] != nil
			}
			if !signed {
				continue
			}
			known[op.ID] = true
			if methods[op.ID] == nil && without[op.ID] == "" {
				t.Errorf("%s %s (%s) is for devices, and package device has no method for it: add one and a line to methods in "+
					"device/routes_test.go; or say in without why no program could want it", method, path, op.ID)
			}
		}
	}
	if len(known) < 30 {
		t.Fatalf("%d operations are for devices: does this test still find them?", len(known))
	}
	for id, method := range methods {
		if !known[id] || without[id] != "" || reflect.TypeOf(method).Kind() != reflect.Func {
			t.Errorf("device/routes_test.go has a method for %s, which is for no device, or is said to have none", id)
		}
	}
	for id := range without {
		if !known[id] {
			t.Errorf("device/routes_test.go is without %s, which is for no device: take the line out", id)
		}
	}
}
