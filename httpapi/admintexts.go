package httpapi

// adminTexts say what the summaries of operators' operations leave open, by id.
var adminTexts = map[string]string{
	"setLimits":    "They take the place of all limits of the account. A limit of 0 is none; the operator's own for all accounts go on in any case.",
	"listAccounts": "Every account with its balance, what is held, and what is available, in minor units.",
	"getAccount":   "Its balance, what is held on it and for it, and what is available, in minor units.",
	"getReport": "What it had before the span, every entry in it, and what it has after. Times are " +
		"half-open; without them the report begins with the account and ends now.",
	"adjustAccount": "The other side is the currency's account of adjustments. Above the operators' limit of top-ups it waits for another operator likewise.",
	"topUp": "The entry debits the issuance account of the currency. Above the operators' limit the " +
		"top-up waits for another operator.",
	"listAudit":    "Who did what to whom, when, and the note that was given. Nothing of it is ever changed or deleted.",
	"listAllCards": "Every card, also those that are closed or were replaced.",
	"issueCard": "By its card account number, or by its UID if it is to prove itself. The code is shown " +
		"once, and is handed over apart from the card; whoever has both, and only they, activate it.",
	"getAnyCard":         "With its devices, but with no number: an operator sees the last four digits.",
	"giveActivationCode": "For a card that was not activated yet. The code before it ends.",
	"closeCard":          "It never pays again. Its account and what is on it stay.",
	"freezeAnyCard":      "It pays nothing until an operator unfreezes it; its holder cannot. Payments of it that are open end.",
	"loseAnyCard":        "It pays nothing until it is replaced or found. Payments of it that are open end, and its holder is told.",
	"getAnyEmail":        "Masked. What the holder is told there is every debit, refund and change of the card.",
	"askAnyEmail":        "Until the code comes back, within an hour, nothing changes: so nobody is told of a stranger's card by mistake.",
	"confirmAnyEmail":    "For a holder who tells it on the telephone or at the counter. The address before is told that there is another one.",
	"removeAnyEmail":     "The address is told so, and forgotten.",
	"givePINCode":        "The holder sets the new PIN with the code and a tap of the card on its associated device.",
	"giveRebindCode":     "For a holder whose device is lost. Its device is told at once, and may freeze the card within the day.",
	"replaceCard": "The new card gets the account, the PIN, the counts and the limits; the old one is closed. " +
		"It pays once its holder has activated it.",
	"unfreezeAnyCard": "It pays again.",
	"listFees":        "The operator's for all payees, one for each currency, and those of payees, in the order of their handles.",
	"setFee": "For what is instructed from now on: payments under way keep theirs. The fee is posted with the payment, to the account " +
		"of fees of the currency. A fee that the payer bears is refused from devices that do not show it.",
	"removeFee":   "For what is instructed from now on. Without a fee of its own, a payee has the operator's for all.",
	"listDays":    "Each with its totals by kind of account and currency.",
	"closeDay":    "Days end at midnight UTC and are closed in order. What is counted for a closed day never changes.",
	"listDevices": "With their labels, when they were registered and last used, and whether they were revoked.",
	"revokeDevice": "Its signatures count no more, its tokens end, and it is woken no more. A card whose " +
		"associated device it is needs a new one.",
	"listEvents": "What stands in the stream of events for operators: alarms, and payments that concern all.",
	"getFunnel": "Of the payments that began in a span of time: how many reached each step, and median and " +
		"95th percentile of what each took.",
	"inviteOperator":  "The invite is shown once and is good for one enrolment. Others are told.",
	"listOperators":   "Also those who were removed, and those who wait for another one's confirmation.",
	"confirmOperator": "Whoever enrolled them cannot. Needed where top-ups need two operators; all are told.",
	"removeOperator":  "Their key and passkeys count no more. Nobody removes themselves, and the last one stays.",
	"listPayees":      "Every payee with its accounts, also those that are closed.",
	"addPayee":        "With an account in its currency. The key is shown once, and may do everything.",
	"getAnyPayee":     "With its accounts, aliases and former accounts.",
	"movePayee": "Payments that are open go to the account that they froze. Who has paid the payee before " +
		"is told of the change in the next statement, and that payment takes one step more.",
	"aliasPayee":        "An alias leads to the payee that it names, and is never given to another one afterwards.",
	"listPayeeAPIKeys":  "With scopes, who made them, when they were last used, and when they end; never the keys themselves.",
	"makePayeeAPIKey":   "It is shown once. Without scopes it may do everything.",
	"revokePayeeAPIKey": "Its tokens and passkeys end with it. It cannot be undone.",
	"rotatePayeeAPIKey": "The new key has the same scopes, and is shown once. The old one goes on for the overlap " +
		"that is asked for.",
	"closePayee": "A closed payee is paid no more, and answers look-ups like an unknown one. Refunds go on.",
	"renamePayee": "The name that payers see, and whether it is a company's or a person's: to be set by " +
		"whoever has verified it.",
	"setRehearsals":  "In a rehearsal everything happens but the posting of money.",
	"searchPayments": "By state, payee, masked card number, time, and more; a page at a time.",
	"getAnyPayment":  "Who did each step, when, and how long it took; with refunds.",
	"getAnyRefund":   "With the payment that it gives back.",
	"listTopUps":     "Those above the operators' limit that nobody has confirmed or rejected yet.",
	"confirmTopUp":   "Its money moves now. Whoever has asked for it cannot.",
	"rejectTopUp":    "No money moves. It cannot be confirmed afterwards.",
}
