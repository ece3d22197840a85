#include "gateway/refusals.h"

#include <algorithm>
#include <array>

#include "platform/obs/log.h"

namespace boxoffice::gateway {
namespace {

// Sorted by reason, for the binary search; tests keep it so, and complete against what the protos and the
// sources of the services name. What platform/http says by itself (path_malformed, route_not_found) is here
// in its words, for the reference.
constexpr auto kTable = std::to_array<RefusalRow>({
    {"already_approved", 409, "already_approved", "The reservation is paid already"},
    {"amount_out_of_range", 422, "amount_out_of_range", "The amount is out of range"},
    {"audit_not_run", 404, "audit_not_run", "This process has no auditor"},
    {"balance_limit", 422, "balance_limit", "The balance would grow too large"},
    {"balance_too_low", 402, "balance_too_low", "The balance is too low"},
    {"body_not_json", 400, "body_not_json", "The body is not a JSON object"},
    {"body_too_large", 413, "body_too_large", "The body is too large"},
    {"cancel_deadline_passed", 409, "cancel_deadline_passed", "It is too late to cancel"},
    {"category_unknown", 422, "category_unknown", "The show has no such category"},
    {"channel_invalid", 422, "channel_invalid", "The channel can't be meant"},
    {"concert_invalid", 422, "concert_invalid", "The concert's names can't be meant"},
    {"concert_not_found", 404, "concert_not_found", "No such concert"},
    {"cross_site", 401, "cross_site", "The request may have been made by another site"},
    {"currency_invalid", 422, "currency_invalid", "Not a currency"},
    {"cursor_invalid", 400, "cursor_invalid", "The cursor is not one of ours"},
    {"daily_limit", 422, "daily_limit", "More than may be topped up a day"},
    {"dead_letter_not_found", 404, "dead_letter_not_found", "No such dead letter"},
    {"delivery_not_found", 404, "delivery_not_found", "No such delivery"},
    {"duplicate_seat", 422, "duplicate_seat", "A seat is named twice"},
    {"field_duplicate", 400, "field_duplicate", "A field appears twice"},
    {"field_invalid", 422, "field_invalid", "A field has a value that can't be meant"},
    {"field_missing", 400, "field_missing", "A field is missing"},
    {"field_too_long", 400, "field_too_long", "A field has more values than it may have"},
    {"field_type", 400, "field_type", "A field has a value of another type"},
    {"field_unknown", 400, "field_unknown", "A field is not known here"},
    {"hold_lost", 409, "hold_lost", "The seats are held for you no longer"},
    {"idempotency_key_invalid", 400, "idempotency_key_invalid",
     "The Idempotency-Key is not 1 to 255 visible characters"},
    {"idempotency_key_missing", 400, "idempotency_key_missing", "The request needs an Idempotency-Key"},
    {"idempotency_key_reused", 422, "idempotency_key_reused",
     "The Idempotency-Key was used for another request"},
    {"idempotency_key_running", 409, "idempotency_key_running",
     "The request with this Idempotency-Key is still running"},
    {"invalid_argument", 422, "invalid_argument", "A field has a value that can't be meant"},
    {"invalid_field", 422, "invalid_field", "A field has a value that can't be meant"},
    {"invalid_value", 422, "invalid_value", "A field has a value that can't be stored"},
    {"jwt_algorithm", 401, "jwt_algorithm", "The JWT is signed with another algorithm"},
    {"jwt_audience", 401, "jwt_audience", "The JWT is for somebody else"},
    {"jwt_expired", 401, "jwt_expired", "The JWT has expired"},
    {"jwt_issuer", 401, "jwt_issuer", "The JWT is of another issuer"},
    {"jwt_key_unknown", 401, "jwt_key_unknown",
     "The JWT is signed with a key that its issuer does not publish"},
    {"jwt_malformed", 401, "jwt_malformed", "The JWT can't be read"},
    {"jwt_missing", 401, "jwt_missing", "The request needs a JWT"},
    {"jwt_not_yet_valid", 401, "jwt_not_yet_valid", "The JWT is not valid yet"},
    {"jwt_signature", 401, "jwt_signature", "The JWT's signature is wrong"},
    {"jwt_subject", 401, "jwt_subject", "The JWT's sub is no user: 1 to 64 of A-Z a-z 0-9 . _ @ -"},
    {"limit_invalid", 400, "limit_invalid", "The limit is a number from 1 to 200"},
    {"method_unknown", 422, "payment_method_unknown", "No such payment method"},
    {"no_seats", 422, "no_seats", "No seat is asked for"},
    {"not_a_top_up", 404, "not_a_top_up", "The entry is no top-up of this user"},
    {"not_dead", 409, "not_dead", "The delivery was delivered"},
    {"not_enough_seats", 409, "not_enough_seats", "Not enough seats are free"},
    {"not_on_waitlist", 404, "not_on_waitlist", "Not on the show's waitlist"},
    {"not_sold_out", 409, "not_sold_out", "Seats for that are free: buy them"},
    {"nothing_refused", 409, "nothing_refused", "The provider does not refuse to give it back"},
    {"number_not_integer", 422, "number_not_integer", "A whole number of at most 64 bits is needed"},
    {"opens_at_out_of_range", 422, "opens_at_out_of_range",
     "The opening must be in the future, at most 366 days ahead"},
    {"operation_key_reused", 422, "idempotency_key_reused",
     "The Idempotency-Key was used for another request"},
    {"operator_required", 403, "operator_required", "This is for operators"},
    {"orphan_seat", 409, "orphan_seat", "A single seat would be left over"},
    {"parameter_invalid", 400, "parameter_invalid", "A query parameter is not one of the choices"},
    {"path_malformed", 400, "path_malformed", "Path malformed"},
    {"payment_declined", 402, "payment_declined", "The payment was declined"},
    {"payment_not_approved", 409, "payment_not_approved", "The payment is not approved"},
    {"payment_not_found", 404, "payment_not_found", "No such payment"},
    {"payment_unknown", 503, "payment_unknown", "The payment's outcome is not known yet"},
    {"price_changed", 409, "price_changed", "The hold had lapsed, and the seats cost more now"},
    {"price_invalid", 422, "price_invalid", "A price can't be meant"},
    {"provider_unknown", 404, "provider_unknown", "No such payment provider"},
    {"query_duplicate", 400, "query_duplicate", "Query duplicate"},
    {"query_malformed", 400, "query_malformed", "Query malformed"},
    {"queue_closed", 409, "queue_closed", "The queue is closed"},
    {"queue_drawn", 409, "queue_drawn", "The queue has had its draw, and there is one per show"},
    {"queue_full", 503, "queue_full", "The line is full for now"},
    {"queue_is_open", 409, "queue_is_open",
     "Only a queue that is not OPEN can open at a time: give its state, too"},
    {"queue_off", 409, "queue_off", "The show has no queue: reserve without a token"},
    {"queue_token_missing", 401, "queue_token_missing", "The request needs an X-Queue-Token"},
    {"rate_limited", 429, "rate_limited", "Too many requests"},
    {"refund_exceeds_captured", 422, "refund_exceeds_captured", "More would be given back than was paid"},
    {"refund_exceeds_debit", 422, "refund_exceeds_debit", "More would be given back than was debited"},
    {"refund_refused", 409, "refund_refused", "The payment provider does not give the money back"},
    {"request_malformed", 400, "request_malformed", "Request malformed"},
    {"reservation_not_found", 404, "reservation_not_found", "No such reservation"},
    {"reservation_state", 409, "reservation_state", "The reservation's state does not allow it"},
    {"rotation_under_way", 409, "rotation_under_way", "The secret before the last one still counts"},
    {"route_not_found", 404, "route_not_found", "Route not found"},
    {"row_unknown", 422, "row_unknown", "The section has no such row"},
    {"saga_done", 409, "saga_done", "The saga is done: there is nothing to resolve"},
    {"saga_not_undoable", 409, "saga_not_undoable", "The saga only goes forward"},
    {"saga_version_unknown", 409, "saga_version_unknown",
     "The saga is of a later release: ask a replica that knows it"},
    {"seat_limit", 409, "seat_limit", "More seats than the show allows to one buyer"},
    {"seat_not_in_reservation", 409, "seat_not_in_reservation", "The reservation has no such seat"},
    {"seat_unknown", 422, "seat_unknown", "The show has no such seat"},
    {"seating_plan_invalid", 422, "seating_plan_invalid", "The seating plan can't be read"},
    {"seats_taken", 409, "seats_taken", "Seats are taken"},
    {"section_unknown", 422, "section_unknown", "The show has no such section"},
    {"self_service_off", 403, "self_service_off", "Wallets are not topped up by their users here"},
    {"session_busy", 409, "session_busy", "The place in the queue is used for another reservation"},
    {"session_not_active", 409, "session_not_active", "The place in the queue is not active"},
    {"settlement_malformed", 422, "settlement_malformed", "The settlement file can't be read"},
    {"show_cancelled", 409, "show_cancelled", "The show is cancelled"},
    {"show_invalid", 422, "show_invalid", "The show can't be as it is described"},
    {"show_not_cancelled", 404, "show_not_cancelled", "Nobody has cancelled the show"},
    {"show_not_found", 404, "show_not_found", "No such show"},
    {"show_not_on_sale", 409, "show_not_on_sale", "The show is not on sale"},
    {"show_state", 409, "show_state", "The show's state does not allow it"},
    {"sign_in_not_offered", 404, "sign_in_not_offered", "This system does not offer that way to sign in"},
    {"signed_token_key", 401, "queue_token_signature", "The queue token is not one of ours"},
    {"signed_token_malformed", 401, "queue_token_malformed", "The queue token is malformed"},
    {"signed_token_signature", 401, "queue_token_signature", "The queue token is not one of ours"},
    {"target_deleted", 409, "target_deleted", "The Idempotency-Key made a target that was deleted"},
    {"target_disabled", 409, "target_disabled", "The target takes nothing: it is disabled or deleted"},
    {"target_not_found", 404, "target_not_found", "No such target"},
    {"token_expired", 409, "queue_token_expired", "The place in the queue has ended"},
    {"token_malformed", 401, "queue_token_malformed", "The queue token is malformed"},
    {"token_signature", 401, "queue_token_signature", "The queue token is not one of ours"},
    {"token_unknown", 409, "queue_token_unknown", "The place in the queue has ended"},
    {"token_wrong_show", 403, "queue_token_wrong_show", "The queue token is of another show"},
    {"token_wrong_user", 403, "queue_token_wrong_user", "The queue token is of another user"},
    {"too_many_seats", 422, "too_many_seats", "More seats than one request may name"},
    {"too_many_streams", 429, "too_many_streams", "Too many streams of events are open"},
    {"too_many_targets", 409, "too_many_targets",
     "There are as many targets as there may be: delete one first"},
    {"user_invalid", 422, "user_invalid", "A user is 1 to 64 of A-Z a-z 0-9 . _ @ -, and not . or .."},
    {"user_not_found", 404, "user_not_found", "No user has such a name"},
    {"waitlist_first", 409, "waitlist_first", "Free seats go to the waitlist first: join it"},
    {"waitlist_offered", 409, "waitlist_offered", "Seats are held, or being sought: cancel that reservation"},
    {"waitlist_other_wish", 409, "waitlist_other_wish", "On the show's waitlist with another wish"},
    {"wallet_closed", 409, "wallet_closed", "The wallet is closed"},
    {"wallet_frozen", 409, "wallet_frozen", "The wallet is frozen"},
    {"wallet_not_empty", 409, "wallet_not_empty", "The wallet still holds money"},
    {"web_not_built", 404, "web_not_built", "This system was started without its web app"},
    {"webhook_malformed", 400, "webhook_malformed", "The webhook can't be read"},
    {"webhook_signature", 401, "webhook_signature", "The webhook is not signed by the provider"},
    {"webhook_timestamp", 401, "webhook_timestamp", "The webhook is too old, or of the future"},
});

bool IsPath(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '[' || c == ']';
  });
}

// The field that a detail is about: "field `best_available.count` is missing", as the gateway's reader says
// it, and "rate_per_s: must be in 0.1 to 100000", as the services do.
std::string_view FieldOf(std::string_view detail) {
  constexpr std::string_view kBegin = "field `";
  if (detail.starts_with(kBegin)) {
    detail.remove_prefix(kBegin.size());
    return detail.substr(0, detail.find('`'));
  }
  const std::string_view before = detail.substr(0, detail.find(": "));
  return before.size() < detail.size() && IsPath(before) ? before : std::string_view();
}

void WriteField(std::string_view detail, http::JsonWriter& writer) {
  if (const std::string_view field = FieldOf(detail); !field.empty()) writer.Field("field", field);
}

// Whose details are a database driver's own words.
bool IsOfADatabase(std::string_view reason) { return reason == "invalid_value" || reason == "constraint"; }

// Without what is not for whoever asked: a driver's words, and the services' name for the Idempotency-Key.
Error ForTheAsker(const Error& error) {
  if (IsOfADatabase(error.reason)) {
    obs::Log(obs::Level::kWarning, "value_not_stored", {{"reason", error.reason}, {"detail", error.detail}});
    return {error.code, error.reason, {}};
  }
  if (error.reason == "operation_key_reused") return {error.code, error.reason, {}};
  return error;
}

http::Response Make(const RefusalRow& row, std::string_view detail, const http::ProblemMembers& members) {
  http::Response response =
      http::ProblemResponse({row.status, row.code, row.title, detail}, [&](http::JsonWriter& writer) {
        if (members) members(writer);
        WriteField(detail, writer);
      });
  if (row.reason == "idempotency_key_running") response.headers.Add("Retry-After", "1");
  return response;
}

}  // namespace

std::span<const RefusalRow> RefusalTable() { return kTable; }

const RefusalRow* FindRefusal(std::string_view reason) {
  const auto found = std::ranges::lower_bound(kTable, reason, {}, &RefusalRow::reason);
  return found != kTable.end() && found->reason == reason ? &*found : nullptr;
}

std::string_view StableCode(std::string_view reason) {
  const RefusalRow* row = FindRefusal(reason);
  return row != nullptr ? row->code : reason;
}

http::Response RefusalResponse(std::string_view reason, std::string_view detail,
                               const http::ProblemMembers& members) {
  if (const RefusalRow* row = FindRefusal(reason)) return Make(*row, detail, members);
  obs::Log(obs::Level::kWarning, "refusal_without_row", {{"reason", reason}});
  return Make({reason, 409, reason, "The state does not allow it"}, detail, members);
}

http::Response FailureResponse(const Error& failure) {
  const Error error = ForTheAsker(failure);
  if (const RefusalRow* row = FindRefusal(error.reason)) return Make(*row, error.detail, {});
  // Nobody's reason but gRPC's, or a proxy's: a message that is too large, a certificate that is refused.
  // Whatever its code, it is our failure, and its text nobody's business.
  if (error.reason == "rpc_failed" && error.code != Code::kInternal)
    return http::ProblemResponse(Error{Code::kUnknown, error.reason, {}});
  return http::ProblemResponse(error, error.code == Code::kResourceExhausted ? 503 : 0,
                               [&](http::JsonWriter& writer) { WriteField(error.detail, writer); });
}

http::Response ServiceFailure(const Error& error) {
  if (error.code != Code::kInvalidArgument || error.reason == "rpc_failed" ||
      FindRefusal(error.reason) != nullptr)
    return FailureResponse(error);
  return http::ProblemResponse(error, 422,
                               [&](http::JsonWriter& writer) { WriteField(error.detail, writer); });
}

}  // namespace boxoffice::gateway
