package httpapi

import (
	"net/http"

	"tapline/api"
	"tapline/consent"
)

// emailRoutes let a card's holder be told by e-mail.
func emailRoutes() []*route {
	return []*route{
		{
			method: "GET", path: "/v1/cards/{id}/email", id: "getEmail", summary: "Ask where the card's holder is told by e-mail",
			text: "For its associated device. The address is masked: whoever has found the device does not learn it.",
			by:   []credential{byDevice}, status: http.StatusOK, out: typeOf[api.Email](), handle: (*call).getEmail,
			codes: []string{"unknown_card"},
		}, {
			method: "POST", path: "/v1/cards/{id}/email", id: "askEmail", summary: "Have the card's holder told by e-mail",
			text: "By its associated device, with the PIN. A code is mailed to the address; until it comes back, within an hour, nothing " +
				"changes. From then on every debit, refund and change of the card is mailed to it; an address before it is told so.",
			by: []credential{bySignature}, typ: consent.TypEmail, claims: typeOf[consent.EmailChange](),
			status: http.StatusOK, out: typeOf[api.Email](), handle: (*call).askEmail,
			codes: append([]string{"id_mismatch", "unknown_card", "no_email", "too_many_codes"}, pinCodes...),
		}, {
			method: "POST", path: "/v1/cards/{id}/email/confirm", id: "confirmEmail", summary: "Confirm an address with the mailed code",
			text: "By the card's associated device. A code has five tries.",
			by:   []credential{bySignature}, typ: consent.TypEmailCode, claims: typeOf[consent.EmailConfirmation](),
			status: http.StatusOK, out: typeOf[api.Email](), handle: (*call).confirmEmail,
			codes: []string{"id_mismatch", "unknown_card", "code_format", "email_refused", "card_state"},
		}, {
			method: "POST", path: "/v1/cards/{id}/email/remove", id: "removeEmail", summary: "Have the card's holder told by e-mail no more",
			text: "By its associated device, with the PIN. The address is told, and forgotten.",
			by:   []credential{bySignature}, typ: consent.TypEmailRemoval, claims: typeOf[consent.EmailRemoval](),
			status: http.StatusOK, out: typeOf[api.Email](), handle: (*call).removeEmail,
			codes: append([]string{"id_mismatch", "unknown_card"}, pinCodes...),
		},
	}
}

// erasureCodes refuse an erasure because something is open.
var erasureCodes = []string{"card_not_closed", "account_not_empty", "payment_open"}

// adminSupportRoutes are what operators do for cardholders and payees who ask.
func adminSupportRoutes() []*route {
	return []*route{
		adminWrite("/notes", "writeNote", "Write a note about a card, an account, a payee or a payment", typeOf[api.NewNote](), typeOf[api.Note](), http.StatusCreated, (*call).writeNote, "unknown_card", "unknown_account", "unknown_payee", "unknown_payment", "too_many_notes"),
		adminRead("/notes", "listNotes", "List the notes about something", typeOf[api.Notes](), (*call).listNotes,
			param{name: "subject", doc: "Such as card:card_x, account:acc_x, payee:books@shop or payment:pay_x."}),
		adminWrite("/cards/{id}/export", "exportCard", "Get all that is kept about a card's holder", typeOf[api.Noted](), typeOf[api.Export](), http.StatusOK, (*call).exportCard, "unknown_card"),
		adminWrite("/cards/{id}/erasure", "askErasure", "Ask to erase what is personal of a card's holder", typeOf[api.Noted](), typeOf[api.Erasure](), http.StatusCreated, eraseHolder(false), append(erasureCodes, "unknown_card")...),
		adminWrite("/cards/{id}/erasure/confirm", "confirmErasure", "Erase what is personal of a card's holder", typeOf[api.Noted](), typeOf[api.Erasure](), http.StatusOK, eraseHolder(true), append(erasureCodes, "unknown_card", "no_erasure", "second_operator")...),
		adminRead("/cards/{id}/email", "getAnyEmail", "Ask where a card's holder is told by e-mail", typeOf[api.Email](), (*call).getAnyEmail).or("unknown_card"),
		adminWrite("/cards/{id}/email", "askAnyEmail", "Have a code mailed to a new address of a card's holder", typeOf[api.NewEmail](), typeOf[api.Email](), http.StatusOK, (*call).askAnyEmail, "unknown_card", "card_state", "no_email", "too_many_codes"),
		adminWrite("/cards/{id}/email/confirm", "confirmAnyEmail", "Confirm an address with the code that its holder tells", typeOf[api.EmailCode](), typeOf[api.Email](), http.StatusOK, (*call).confirmAnyEmail, "unknown_card", "card_state", "code_format", "email_refused"),
		adminWrite("/cards/{id}/email/remove", "removeAnyEmail", "Have a card's holder told by e-mail no more", typeOf[api.Noted](), typeOf[api.Email](), http.StatusOK, (*call).removeAnyEmail, "unknown_card", "card_state"),
	}
}
