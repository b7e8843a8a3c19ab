package notice

import (
	"fmt"
	"strings"
	"time"

	"tapline/consent"
	"tapline/money"
	"tapline/processor"
)

// words are what e-mails say in one language.
type words struct {
	card, amount, payee, time, reference string // labels
	subjects                             map[string]string
	advice                               map[string]string // what to do, where it was not the holder's own doing
	foot                                 string
	code                                 string
}

// What an e-mail advises: what was nobody else's doing needs no advice.
const (
	adviseFreeze  = "freeze"
	adviseContact = "contact"
)

// advised says which advice belongs to a kind.
var advised = map[string]string{
	"payment.settled": adviseFreeze, "card.skim_suspected": adviseFreeze, "card.pin_alarm": adviseFreeze, "card.bound": adviseContact,
	"card.pin_changed": adviseContact, "card.passkey_added": adviseContact, "card.code_issued": adviseFreeze, "card.limits_changed": adviseContact,
	"card.unfrozen": adviseContact, "card.email_changed": adviseContact, processor.MailMoved: adviseContact, "card.exported": adviseContact,
	"card.adjusted": adviseContact, "card.device_removed": adviseContact, "card.device_revoked": adviseContact, "card.paid_out": adviseContact,
}

var languages = map[string]words{
	"en": {
		card: "Card", amount: "Amount", payee: "Paid to", time: "Time", reference: "Reference",
		subjects: map[string]string{
			"payment.settled": "You paid %s", "payment.refunded": "You got %s back", "card.topped_up": "%s was put on your card",
			"card.adjusted": "The balance of your card was corrected by %s", "card.bound": "Another device confirms payments with your card now",
			"card.frozen": "Your card is frozen", "card.unfrozen": "Your card can pay again", "card.lost": "Your card was reported lost",
			"card.closed": "Your card is closed", "card.replaced": "Your card was replaced", "card.pin_changed": "The PIN of your card was changed",
			"card.passkey_added": "A passkey for your card was added", "card.passkey_removed": "A passkey for your card was removed",
			"card.device_removed": "A device of your card was removed", "card.limits_changed": "The limits of your card were changed",
			"card.device_revoked": "A device of your card may not act any more",
			"card.code_issued":    "A code was made that can change devices or PIN of your card",
			"card.skim_suspected": "Somebody may have read your card", "card.pin_alarm": "Too many wrong PINs for your card",
			"card.email_changed": "This address is told of your card from now on",
			"card.exported":      "All that is kept about you was handed out",
			"card.paid_out":      "What was left on your closed card is paid out",
			processor.MailMoved:  "This address is told nothing of your card any more", processor.MailCode: "Your code",
		},
		advice: map[string]string{
			adviseFreeze:  "If this was not you, freeze the card on one of its devices, or ask the service that issued it to do so.",
			adviseContact: "If this was not you, tell the service that issued the card at once.",
		},
		code: "Somebody, perhaps you, asked to be told at this address what happens to a card. To agree, type this code where you asked, within an hour:\n\n" +
			"    %s\n\nTell it to nobody who calls you. If you know nothing of it, ignore this message.",
		foot: "This message was sent by %s. It never asks for your PIN, for a code, or to open a link. Do not answer it.",
	},
	"zh": {
		card: "卡", amount: "金额", payee: "收款方", time: "时间", reference: "编号",
		subjects: map[string]string{
			"payment.settled": "您已付款 %s", "payment.refunded": "您已收到退款 %s", "card.topped_up": "您的卡已充值 %s",
			"card.adjusted": "您的卡余额已更正 %s", "card.bound": "您的卡已改由另一台设备确认付款",
			"card.frozen": "您的卡已冻结", "card.unfrozen": "您的卡已恢复付款", "card.lost": "您的卡已挂失",
			"card.closed": "您的卡已注销", "card.replaced": "您的卡已更换", "card.pin_changed": "您的卡的 PIN 已更改",
			"card.passkey_added": "您的卡已添加通行密钥", "card.passkey_removed": "您的卡已移除通行密钥",
			"card.device_removed": "您的卡已移除一台设备", "card.limits_changed": "您的卡的限额已更改",
			"card.device_revoked": "您的卡的一台设备已被停用",
			"card.code_issued":    "已生成可更改您的卡的设备或 PIN 的代码",
			"card.skim_suspected": "可能有人读取了您的卡", "card.pin_alarm": "您的卡 PIN 错误次数过多",
			"card.email_changed": "今后将通过此邮箱通知您的卡的情况",
			"card.exported":      "与您有关的全部资料已被导出",
			"card.paid_out":      "您已注销的卡的余额正在退还",
			processor.MailMoved:  "此邮箱不再接收您的卡的通知", processor.MailCode: "您的代码",
		},
		advice: map[string]string{
			adviseFreeze:  "如果不是您本人操作，请在该卡的任一设备上冻结该卡，或请发卡方冻结。",
			adviseContact: "如果不是您本人操作，请立即联系发卡方。",
		},
		code: "有人（也许是您）要求通过此邮箱接收一张卡的通知。若同意，请在一小时内于您提出要求的地方输入此代码：\n\n" +
			"    %s\n\n请勿告诉任何来电者。若您不知情，请忽略此邮件。",
		foot: "此邮件由 %s 发送。我们绝不会向您索要 PIN、代码，也不会要求您打开链接。请勿回复。",
	},
}

// Languages lists the languages in which e-mail can be written.
func Languages() []string { return []string{"en", "zh"} }

// letter is what an e-mail says: what happened, to which card, masked, when, and with what money. It has no links, no names of devices,
// no balance and no number of a card: mail is read on its way, and on lock screens.
func letter(m processor.Mail, service, code string) (subject, text string) {
	w, ok := languages[m.Language]
	if !ok {
		w = languages["en"]
	}
	subject = w.subjects[m.Kind]
	if subject == "" {
		subject = w.card + " " + masked(m.Facts.CardLast4) // a kind that is newer than these words
	}
	amount := ""
	if m.Facts.Amount != (money.Amount{}) {
		amount = m.Facts.Amount.String()
		if m.Facts.Debit {
			amount = "-" + amount
		}
	}
	if strings.Contains(subject, "%s") {
		subject = fmt.Sprintf(subject, amount)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", subject)
	if m.Kind == processor.MailCode {
		fmt.Fprintf(&b, w.code+"\n\n", code)
	} else {
		line := func(label, value string) {
			if value != "" {
				fmt.Fprintf(&b, "%s: %s\n", label, oneLine(value))
			}
		}
		line(w.card, strings.TrimSpace(masked(m.Facts.CardLast4)+" "+m.Facts.CardLabel))
		line(w.amount, amount)
		line(w.payee, m.Facts.Payee)
		line(w.time, m.At.UTC().Format(time.DateTime)+" UTC")
		if strings.HasPrefix(m.Kind, "payment.") {
			line(w.reference, m.Subject)
		}
		b.WriteString("\n")
		if advice := w.advice[advised[m.Kind]]; advice != "" {
			b.WriteString(advice + "\n\n")
		}
	}
	fmt.Fprintf(&b, "-- \n"+w.foot+"\n", oneLine(service))
	return subject, b.String()
}

func masked(last4 string) string { return consent.MaskLast4(last4) }

// oneLine keeps what somebody else has named from looking like lines of ours.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
