export namespace operations {
    namespace cancelOrder {
        let method: "POST";
        let path: "/v1/orders/{id}/cancel";
    }
    namespace cancelPayment {
        let method_1: "POST";
        export { method_1 as method };
        let path_1: "/v1/payments/{id}/cancel";
        export { path_1 as path };
    }
    namespace changeWebhookEndpoint {
        let method_2: "POST";
        export { method_2 as method };
        let path_2: "/v1/webhook-endpoints/{id}";
        export { path_2 as path };
        export let body: true;
    }
    namespace disableOrderTemplate {
        let method_3: "POST";
        export { method_3 as method };
        let path_3: "/v1/order-templates/{id}/disable";
        export { path_3 as path };
    }
    namespace forwardTestClock {
        let method_4: "POST";
        export { method_4 as method };
        let path_4: "/v1/test/clock";
        export { path_4 as path };
        let body_1: true;
        export { body_1 as body };
        export let unnamed: true;
    }
    namespace getOrder {
        let method_5: "GET";
        export { method_5 as method };
        let path_5: "/v1/orders/{id}";
        export { path_5 as path };
    }
    namespace getOrderTemplate {
        let method_6: "GET";
        export { method_6 as method };
        let path_6: "/v1/order-templates/{id}";
        export { path_6 as path };
    }
    namespace getOwnReport {
        let method_7: "GET";
        export { method_7 as method };
        let path_7: "/v1/report";
        export { path_7 as path };
        export let query: readonly ["currency", "from", "until", "format"];
    }
    namespace getPayment {
        let method_8: "GET";
        export { method_8 as method };
        let path_8: "/v1/payments/{id}";
        export { path_8 as path };
        let query_1: readonly ["wait", "after", "expand"];
        export { query_1 as query };
    }
    namespace getPayout {
        let method_9: "GET";
        export { method_9 as method };
        let path_9: "/v1/payouts/{id}";
        export { path_9 as path };
    }
    namespace getReceipt {
        let method_10: "GET";
        export { method_10 as method };
        let path_10: "/v1/payments/{id}/receipt";
        export { path_10 as path };
    }
    namespace getRefund {
        let method_11: "GET";
        export { method_11 as method };
        let path_11: "/v1/refunds/{id}";
        export { path_11 as path };
    }
    namespace getSelf {
        let method_12: "GET";
        export { method_12 as method };
        let path_12: "/v1/payee";
        export { path_12 as path };
    }
    namespace getTestClock {
        let method_13: "GET";
        export { method_13 as method };
        let path_13: "/v1/test/clock";
        export { path_13 as path };
    }
    namespace getWebhookEndpoint {
        let method_14: "GET";
        export { method_14 as method };
        let path_14: "/v1/webhook-endpoints/{id}";
        export { path_14 as path };
    }
    namespace listAPIKeys {
        let method_15: "GET";
        export { method_15 as method };
        let path_15: "/v1/api-keys";
        export { path_15 as path };
    }
    namespace listOrderTemplates {
        let method_16: "GET";
        export { method_16 as method };
        let path_16: "/v1/order-templates";
        export { path_16 as path };
    }
    namespace listOrders {
        let method_17: "GET";
        export { method_17 as method };
        let path_17: "/v1/orders";
        export { path_17 as path };
        let query_2: readonly ["state", "reference", "minor", "least", "most", "from", "until", "sort", "before", "limit"];
        export { query_2 as query };
        export let list: "orders";
    }
    namespace listPayments {
        let method_18: "GET";
        export { method_18 as method };
        let path_18: "/v1/payments";
        export { path_18 as path };
        let query_3: readonly ["role", "state", "reference", "least", "most", "currency", "from", "until", "sort", "before", "limit"];
        export { query_3 as query };
        let list_1: "payments";
        export { list_1 as list };
    }
    namespace listPayoutPlans {
        let method_19: "GET";
        export { method_19 as method };
        let path_19: "/v1/payout-plans";
        export { path_19 as path };
    }
    namespace listPayouts {
        let method_20: "GET";
        export { method_20 as method };
        let path_20: "/v1/payouts";
        export { path_20 as path };
        let query_4: readonly ["state", "currency", "from", "until", "sort", "before", "limit"];
        export { query_4 as query };
        let list_2: "payouts";
        export { list_2 as list };
    }
    namespace listRefunds {
        let method_21: "GET";
        export { method_21 as method };
        let path_21: "/v1/refunds";
        export { path_21 as path };
        let query_5: readonly ["payment", "from", "until", "sort", "before", "limit"];
        export { query_5 as query };
        let list_3: "refunds";
        export { list_3 as list };
    }
    namespace listSignInPasskeys {
        let method_22: "GET";
        export { method_22 as method };
        let path_22: "/v1/sign-in-passkeys";
        export { path_22 as path };
    }
    namespace listTestCards {
        let method_23: "GET";
        export { method_23 as method };
        let path_23: "/v1/test/cards";
        export { path_23 as path };
    }
    namespace listWebhookDeliveries {
        let method_24: "GET";
        export { method_24 as method };
        let path_24: "/v1/webhook-endpoints/{id}/deliveries";
        export { path_24 as path };
        let query_6: readonly ["state", "from", "until", "sort", "before", "limit"];
        export { query_6 as query };
        let list_4: "deliveries";
        export { list_4 as list };
    }
    namespace listWebhookEndpoints {
        let method_25: "GET";
        export { method_25 as method };
        let path_25: "/v1/webhook-endpoints";
        export { path_25 as path };
    }
    namespace makeAPIKey {
        let method_26: "POST";
        export { method_26 as method };
        let path_26: "/v1/api-keys";
        export { path_26 as path };
        let body_2: true;
        export { body_2 as body };
    }
    namespace makeOrder {
        let method_27: "POST";
        export { method_27 as method };
        let path_27: "/v1/orders";
        export { path_27 as path };
        let body_3: true;
        export { body_3 as body };
    }
    namespace makeOrderTemplate {
        let method_28: "POST";
        export { method_28 as method };
        let path_28: "/v1/order-templates";
        export { path_28 as path };
        let body_4: true;
        export { body_4 as body };
    }
    namespace makePayout {
        let method_29: "POST";
        export { method_29 as method };
        let path_29: "/v1/payouts";
        export { path_29 as path };
        let body_5: true;
        export { body_5 as body };
    }
    namespace makeRefund {
        let method_30: "POST";
        export { method_30 as method };
        let path_30: "/v1/refunds";
        export { path_30 as path };
        let body_6: true;
        export { body_6 as body };
    }
    namespace makeTestCard {
        let method_31: "POST";
        export { method_31 as method };
        let path_31: "/v1/test/cards";
        export { path_31 as path };
        let body_7: true;
        export { body_7 as body };
        let unnamed_1: true;
        export { unnamed_1 as unnamed };
    }
    namespace makeTestEvent {
        let method_32: "POST";
        export { method_32 as method };
        let path_32: "/v1/test/events";
        export { path_32 as path };
        let body_8: true;
        export { body_8 as body };
    }
    namespace makeTestPayment {
        let method_33: "POST";
        export { method_33 as method };
        let path_33: "/v1/test/payments";
        export { path_33 as path };
        let body_9: true;
        export { body_9 as body };
        let unnamed_2: true;
        export { unnamed_2 as unnamed };
    }
    namespace makeWebhookEndpoint {
        let method_34: "POST";
        export { method_34 as method };
        let path_34: "/v1/webhook-endpoints";
        export { path_34 as path };
        let body_10: true;
        export { body_10 as body };
    }
    namespace nextEvents {
        let method_35: "GET";
        export { method_35 as method };
        let path_35: "/v1/events/next";
        export { path_35 as path };
        let query_7: readonly ["wait", "after"];
        export { query_7 as query };
    }
    namespace registerSignInPasskey {
        let method_36: "POST";
        export { method_36 as method };
        let path_36: "/v1/sign-in-passkeys";
        export { path_36 as path };
        let body_11: true;
        export { body_11 as body };
    }
    namespace removeSignInPasskey {
        let method_37: "POST";
        export { method_37 as method };
        let path_37: "/v1/sign-in-passkeys/remove";
        export { path_37 as path };
        let body_12: true;
        export { body_12 as body };
    }
    namespace removeWebhookEndpoint {
        let method_38: "POST";
        export { method_38 as method };
        let path_38: "/v1/webhook-endpoints/{id}/remove";
        export { path_38 as path };
    }
    namespace replayFailedWebhooks {
        let method_39: "POST";
        export { method_39 as method };
        let path_39: "/v1/webhook-endpoints/{id}/replay";
        export { path_39 as path };
        let body_13: true;
        export { body_13 as body };
    }
    namespace replayWebhookDelivery {
        let method_40: "POST";
        export { method_40 as method };
        let path_40: "/v1/webhook-deliveries/{id}/replay";
        export { path_40 as path };
    }
    namespace revokeAPIKey {
        let method_41: "POST";
        export { method_41 as method };
        let path_41: "/v1/api-keys/{id}/revoke";
        export { path_41 as path };
    }
    namespace rotateAPIKey {
        let method_42: "POST";
        export { method_42 as method };
        let path_42: "/v1/api-keys/{id}/rotate";
        export { path_42 as path };
        let body_14: true;
        export { body_14 as body };
    }
    namespace rotateWebhookSecret {
        let method_43: "POST";
        export { method_43 as method };
        let path_43: "/v1/webhook-endpoints/{id}/rotate-secret";
        export { path_43 as path };
        let body_15: true;
        export { body_15 as body };
    }
    namespace setUndo {
        let method_44: "POST";
        export { method_44 as method };
        let path_44: "/v1/payee/undo";
        export { path_44 as path };
        let body_16: true;
        export { body_16 as body };
    }
    namespace testWebhookEndpoint {
        let method_45: "POST";
        export { method_45 as method };
        let path_45: "/v1/webhook-endpoints/{id}/test";
        export { path_45 as path };
    }
}
/** Every code that the service may refuse these operations with. */
export const problemCodes: readonly ["malformed", "unknown_field", "duplicate_field", "invalid_field", "id_mismatch", "wrong_message_type", "wrong_algorithm", "text_not_shown", "idempotency_key_required", "token_required", "invalid_token", "wrong_environment", "token_expired", "unknown_key", "bad_signature", "wrong_audience", "stale", "wrong_credential", "missing_scope", "only_in_test", "device_revoked", "unknown_operator", "passkey_refused", "unknown_payment", "unknown_card", "unknown_passkey", "unknown_payee", "unknown_order", "unknown_order_template", "unknown_refund", "unknown_payout", "unknown_api_key", "unknown_webhook_endpoint", "unknown_webhook_delivery", "in_progress", "too_late", "expired", "clock_back", "order_claimed", "order_closed", "not_settled", "rehearsal", "not_refundable", "refunded", "card_state", "tap_used", "passkey_exists", "passkey_in_use", "api_key_over", "webhook_endpoint_disabled", "payee_closed", "body_too_large", "unsupported_media_type", "idempotency_key_reused", "limit_exceeded", "too_many_api_keys", "too_many_webhook_endpoints", "webhook_url", "webhook_type", "too_many_passkeys", "order_sum", "order_template_terms", "too_many_order_templates", "wrong_currency", "refund_exceeds", "account_balance", "no_bank_account", "payout_least", "payee_balance", "too_large", "report_too_long", "too_many_requests", "too_many_streams", "internal", "busy", "unavailable"];
