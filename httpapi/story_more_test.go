package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/descope/virtualwebauthn"

	"tapline/api"
	"tapline/consent"
	"tapline/order"
	"tapline/processor"
	"tapline/webhook"
)

// keepKeys is the life of API keys.
func (x *people) keepKeys() {
	x.Helper()
	var till, again api.APIKey
	x.tell("makeAPIKey", "The shop makes a key for its till, which may sell and nothing else").
		asked(x.apiKey, "/v1/api-keys", api.NewAPIKey{Name: "till", Scopes: []string{"orders", "read"}}).into(201, &till)
	hour := int64(3600)
	x.tell("rotateAPIKey", "A new key takes its place; the old one works for an hour more").
		asked(x.apiKey, "/v1/api-keys/"+till.ID+"/rotate", api.Rotation{Overlap: &hour}).into(201, &again)
	x.tell("listAPIKeys", "The shop's keys").get("/v1/api-keys", x.apiKey)
	x.tell("revokeAPIKey", "The old key ends at once").asked(x.apiKey, "/v1/api-keys/"+till.ID+"/revoke", nil)
	keys := x.theirs + "/api-keys"
	x.tell("listPayeeAPIKeys", "The shop's keys, as Olga sees them").get("/v1/admin"+keys, x.olga())
	var next api.APIKey
	x.tell("rotatePayeeAPIKey", "She rotates the till's").admin(x.olga(), keys+"/"+again.ID+"/rotate", api.Rotation{Note: "yearly"}).into(201, &next)
	x.tell("revokePayeeAPIKey", "She revokes it").admin(x.olga(), keys+"/"+next.ID+"/revoke", api.Noted{Note: "contract ended"})
}

// listen is about webhooks and events.
func (x *people) listen() {
	x.Helper()
	all := "/v1/webhook-endpoints"
	var list api.WebhookEndpoints
	x.tell("listWebhookEndpoints", "Where the shop's events go").get(all, x.apiKey).into(200, &list)
	one := all + "/" + list.Endpoints[0].ID
	x.tell("getWebhookEndpoint", "One of these").get(one, x.apiKey)
	types := []string{"order.paid", "payment.refunded"}
	x.tell("changeWebhookEndpoint", "The shop wants to hear of payments and refunds only").asked(x.apiKey, one, api.WebhookChange{Types: &types})
	x.tell("rotateWebhookSecret", "It gets new keys to verify messages with").asked(x.apiKey, one+"/rotate-secret", api.WebhookRotation{})
	var d api.WebhookDelivery
	x.tell("testWebhookEndpoint", "It has a message sent that tells of nothing").asked(x.apiKey, one+"/test", nil).into(201, &d)
	claim := &processor.ClaimDeliveries{IDs: []string{d.ID}, Endpoints: []string{list.Endpoints[0].ID}}
	x.run(claim)
	for _, c := range claim.Claimed {
		x.run(&processor.FinishDelivery{Claimed: c, Failure: string(webhook.Status), Status: 500, Answer: "out of order"})
	}
	x.tell("listWebhookDeliveries", "The shop's program was out of order").get(one+"/deliveries?state=failed&limit=10", x.apiKey)
	x.tell("replayWebhookDelivery", "It asks for the message once more").asked(x.apiKey, "/v1/webhook-deliveries/"+d.ID+"/replay", nil)
	x.tell("replayFailedWebhooks", "And for all that failed since the morning").
		asked(x.apiKey, one+"/replay", api.WebhookReplay{Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
	x.tell("removeWebhookEndpoint", "It wants no more messages").asked(x.apiKey, one+"/remove", nil)
	var now api.Events
	x.get("/v1/events/next", x.apiKey).into(200, &now)
	event := api.NewTestEvent{Type: "payment.settled"}
	x.tell("makeTestEvent", "In the test environment the shop can make events").asked(x.apiKey, "/v1/test/events", event)
	x.tell("nextEvents", "A till asks what happened since").get("/v1/events/next?wait=0&after="+now.Next, x.apiKey).into(200, &now)
	x.asked(x.apiKey, "/v1/test/events", event).expect(201, "")
	x.tell("streamEvents", "Another one listens, from where it was cut off").firstOf("/v1/events", x.apiKey, now.Next)
}

// firstOf reads the first event of a stream, after the line that says when to come again, and hangs up.
func (s *station) firstOf(path, token, last string) {
	s.Helper()
	ctx, hangUp := context.WithCancel(s.Context())
	defer hangUp()
	r, err := http.NewRequestWithContext(ctx, "GET", s.origin()+path, nil)
	s.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Last-Event-ID", last)
	a, err := s.server.Client().Do(r)
	s.must(err)
	defer a.Body.Close()
	var text strings.Builder
	for b := make([]byte, 1); strings.Count(text.String(), "\n\n") < 2; {
		_, err := io.ReadFull(a.Body, b)
		s.must(err)
		text.Write(b)
	}
}

// templates are orders that payers make.
func (x *people) templates() {
	x.Helper()
	all := "/v1/order-templates"
	var t api.OrderTemplate
	x.tell("makeOrderTemplate", "A jar for tips gets a link that stays").
		asked(x.apiKey, all, api.NewOrderTemplate{Currency: payeeCurrency, Least: 1_00, Most: 50_00, Description: "Tips", Reference: "TIP-"}).into(201, &t)
	x.tell("listOrderTemplates", "The shop's templates").get(all, x.apiKey)
	x.tell("getOrderTemplate", "Wei's phone reads what the link is for").get(all+"/"+t.ID, x.token(x.phone))
	x.tell("makeOrderFromTemplate", "Wei gives 5.00: the phone makes an order, which it then pays").signed(x.phone, all+"/"+t.ID+"/orders",
		consent.TypFromTemplate, &consent.FromTemplate{Claims: x.claims(), Template: order.TemplateID(t.ID), Amount: cnyOf(5_00)})
	x.tell("disableOrderTemplate", "The jar is put away").asked(x.apiKey, all+"/"+t.ID+"/disable", nil)
}

// cardholder is what Wei does with the card.
func (x *people) cardholder() {
	x.Helper()
	id, one := consent.CardID(x.card.ID), "/v1/cards/"+x.card.ID
	x.tell("limitCard", "Wei sets a limit and a night of his own").signed(x.phone, one+"/limits", consent.TypLimits, &consent.Limits{
		Claims: x.claims(), Card: id, PIN: rightPIN, Rules: &consent.SpendingRules{Limits: consent.SpendingLimits{Payment: 200_00},
			Night: &consent.Night{From: "23:00", Until: "06:00", Zone: "Asia/Shanghai"}},
	})
	a := x.authenticator(consent.UserHandle(id))
	claims := x.claims()
	made := a.creates(consent.RegistrationChallenge(id, claims.ID))
	var k api.Passkey
	x.tell("registerPasskey", "Wei's phone gets a passkey for the card").signed(x.phone, one+"/passkeys", consent.TypPasskey,
		&consent.PasskeyRegistration{Claims: claims, Card: id, PIN: rightPIN, Label: "phone", Passkey: made}).into(201, &k)
	x.tell("listPasskeys", "The card's passkeys").get(one+"/passkeys", x.token(x.phone))
	x.tell("removePasskey", "Wei removes it again").signed(x.phone, one+"/passkeys/remove", consent.TypPasskeyRemoval,
		&consent.PasskeyRemoval{Claims: x.claims(), Card: id, Credential: k.Credential})
	const newPIN = "860251473920"
	x.tell("changePIN", "Wei changes the PIN").signed(x.phone, one+"/pin", consent.TypPIN,
		&consent.PINChange{Claims: x.claims(), Card: id, OldPIN: rightPIN, NewPIN: newPIN})
	x.tell("freezeCard", "The card is not where it should be: Wei freezes it").
		signed(x.phone, one+"/freeze", consent.TypFreeze, &consent.Freeze{Claims: x.claims(), Card: id})
	x.tell("unfreezeCard", "It was in the other coat").
		signed(x.phone, one+"/unfreeze", consent.TypUnfreeze, &consent.Unfreeze{Claims: x.claims(), Card: id, PIN: newPIN})
	x.tell("rebindCard", "Wei has a new phone: it becomes the associated device").signed(x.phone, one+"/associated-device", consent.TypRebind,
		&consent.Rebind{Claims: x.claims(), Card: id, NewDevice: x.kiosk.ID()})
	x.tell("removeDevice", "The old one shall not see the card any more").signed(x.kiosk, one+"/devices/remove", consent.TypDeviceRemoval,
		&consent.DeviceRemoval{Claims: x.claims(), Card: id, Device: x.phone.ID(), PIN: newPIN})
	x.tell("unsubscribePush", "It is not woken any more").
		signed(x.phone, "/v1/push-subscription/remove", consent.TypPushRemoval, &consent.PushRemoval{Claims: x.claims()})
	x.tell("listDevices", "All devices").get("/v1/admin/devices?limit=10", x.olga())
	x.tell("revokeDevice", "Wei has sold the old phone; Olga revokes its key").
		admin(x.olga(), "/devices/"+string(x.phone.ID())+"/revoke", api.Noted{Note: "sold"})
}

// authenticator is one that passkeys are kept on.
type authenticator struct {
	*people
	party virtualwebauthn.RelyingParty
	inner virtualwebauthn.Authenticator
	key   virtualwebauthn.Credential
}

func (x *people) authenticator(user []byte) *authenticator {
	key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	return &authenticator{x, virtualwebauthn.RelyingParty{ID: "pay.example", Name: "tapline", Origin: x.PublicURL},
		virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: user}), key}
}

// creates is its answer when a passkey is made.
func (a *authenticator) creates(challenge []byte) consent.PasskeyCreation {
	var made struct {
		Response struct {
			ClientData  string `json:"clientDataJSON"`
			Attestation string `json:"attestationObject"`
		} `json:"response"`
	}
	text := virtualwebauthn.CreateAttestationResponse(a.party, a.inner, a.key,
		virtualwebauthn.AttestationOptions{Challenge: challenge, RelyingPartyID: a.party.ID})
	a.must(json.Unmarshal([]byte(text), &made))
	return consent.PasskeyCreation{ClientData: made.Response.ClientData, Attestation: made.Response.Attestation}
}

// signIn gives Olga a passkey, and takes it away again.
func (x *people) signIn() {
	x.Helper()
	var c api.SignInChallenge
	x.tell("challengeSignIn", "Olga's browser gets a challenge").send("POST", "/v1/sign-in-challenges", "").into(200, &c)
	owner := string(x.operator.ID())
	made := x.authenticator([]byte(owner)).creates(consent.SignInRegistrationChallenge(owner, c.Audience, c.Challenge))
	write := func(s *station, path string, in any) reply {
		return s.send("POST", path, string(encode(in)), "Authorization", "Bearer "+x.olga(), "Content-Type", "application/json",
			api.IdempotencyHeader, consent.NewID())
	}
	var k api.SignInPasskey
	write(x.tell("registerSignInPasskey", "She registers a passkey, to sign in with from now on"), "/v1/sign-in-passkeys",
		api.NewSignInPasskey{Challenge: c.Challenge, Label: "Olga's key", Passkey: made}).into(201, &k)
	x.tell("listSignInPasskeys", "Her passkeys").get("/v1/sign-in-passkeys", x.olga())
	write(x.tell("removeSignInPasskey", "She removes it"), "/v1/sign-in-passkeys/remove", api.SignInPasskeyRemoval{Credential: k.Credential})
}

// changePayee gives the shop another account.
func (x *people) changePayee() {
	x.Helper()
	x.tell("movePayee", "The shop gets a new account; who has paid it before will be told").
		admin(x.olga(), x.theirs+"/account", api.NewPayeeAccount{Note: "asked for in writing"})
}

// nextNumber is that of the card which replaces Wei's.
const nextNumber = "6222020000000000045"

// loseCard ends the card.
func (x *people) loseCard() {
	x.Helper()
	one := "/cards/" + x.card.ID
	x.tell("givePINCode", "Wei has forgotten the PIN: Olga gives a code to set a new one").admin(x.olga(), one+"/pin-reset", api.Noted{Note: "passport seen"})
	x.tell("giveRebindCode", "And a code to bind another phone, usable after a day").admin(x.olga(), one+"/rebind", api.Noted{Note: "passport seen"})
	x.tell("freezeAnyCard", "Somebody calls: Olga freezes the card").admin(x.olga(), one+"/freeze", api.Noted{Note: "call at ten"})
	x.tell("unfreezeAnyCard", "It was a mistake").admin(x.olga(), one+"/unfreeze", api.Noted{Note: "wrong card"})
	x.tell("loseCard", "Wei has lost the card").
		signed(x.kiosk, "/v1"+one+"/lost", consent.TypLoss, &consent.Loss{Claims: x.claims(), Card: consent.CardID(x.card.ID)})
	var next api.CardCode
	x.tell("replaceCard", "Olga puts a new card in its place, with the account and the PIN").
		admin(x.olga(), one+"/replace", api.Replacement{AccountNumber: nextNumber, Note: "lost"}).into(201, &next)
	x.activate(x.kiosk, next.Code, nextNumber, "").expect(200, "")
	x.tell("loseAnyCard", "Wei calls: the new one is lost, too").admin(x.olga(), "/cards/"+next.Card.ID+"/lost", api.Noted{Note: "called at noon"})
	var other api.CardCode
	x.admin(x.olga(), "/cards", api.NewCard{AccountNumber: string(otherNumber), Label: "Li's card", Currency: payeeCurrency}).into(201, &other)
	x.tell("closeCard", "Li's card never arrived: it is closed for ever").admin(x.olga(), "/cards/"+other.Card.ID+"/close", api.Noted{Note: "not delivered"})
}

// countUp closes the day.
func (x *people) countUp() {
	x.Helper()
	x.tell("getFunnel", "How far did the day's payments come?").get("/v1/admin/funnel", x.olga())
	x.tell("getReport", "The entries of Wei's account").get("/v1/admin/accounts/"+x.card.Account+"/report", x.olga())
	x.tell("listEvents", "What operators were told").get("/v1/admin/events?limit=3", x.olga())
	x.tell("listAudit", "What operators did").get("/v1/admin/audit?limit=5", x.olga())
	x.must(x.sealer.Seal(x.Context()))
	x.tell("closeDay", "The day is closed for ever").admin(x.olga(), "/days/2026-03-01/close", api.Noted{Note: "counted"})
	x.tell("listDays", "All closed days").get("/v1/admin/days?limit=10", x.olga())
}

// prove is about the history.
func (x *people) prove() {
	x.Helper()
	var heads api.Heads
	x.tell("listHeads", "Anybody asks for the signed heads of the history").send("GET", "/v1/heads?limit=2", "").into(200, &heads)
	x.tell("getHead", "The latest of them").send("GET", "/v1/heads/latest", "")
	x.tell("getConsistency", "And for the proof that the books only grew").send("GET", "/v1/heads/consistency?log=entries&from=1&to=3", "")
}

// leave closes the shop.
func (x *people) leave() {
	x.Helper()
	x.endCard()
	x.tell("closePayee", "The shop closes").admin(x.olga(), x.theirs+"/closed", api.PayeeClosed{Closed: true, Note: "the owner retires"})
}

// fees are tried with the shop, and given up.
func (x *people) fees() {
	x.Helper()
	x.tell("setFee", "The shop is to pay 1.5 % and 0.30 of each payment").admin(x.olga(), "/fees", api.NewTariff{
		Payee: handle, Currency: payeeCurrency, Fee: api.Fee{BasisPoints: 150, Fixed: 30}, BorneBy: "payee", Note: "contract 7",
	})
	x.tell("listFees", "What fees there are").get("/v1/admin/fees", x.olga())
	x.tell("removeFee", "The shop pays what all others pay: nothing").admin(x.olga(), "/fees/remove", api.TariffRemoval{Payee: handle, Currency: payeeCurrency})
}
