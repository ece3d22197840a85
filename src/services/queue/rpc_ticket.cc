#include "services/queue/rpc_ticket.h"

#include "boxoffice/queue/v1/queue.pb.h"

namespace boxoffice::queue {

std::string IssueTicket(const auth::KeyRing& keys, const Claims& claims) {
  v1::TokenClaims proto;
  proto.set_show_id(claims.show_id);
  proto.set_user_id(claims.user_id);
  proto.set_sequence(claims.sequence);
  proto.set_expires_at_ms(ToUnixMs(claims.expires_at));
  return keys.Sign(proto.SerializeAsString());
}

Ticket ReadTicket(const auth::KeyRing& keys, std::string_view text) {
  const auto payload = keys.Verify(text);
  if (!payload) {
    const bool malformed = payload.error().reason == "signed_token_malformed";
    return {.refusal = malformed ? kTokenMalformed : kTokenSignature};
  }
  v1::TokenClaims proto;
  if (!proto.ParseFromString(*payload)) return {.refusal = kTokenMalformed};
  return {.claims = {proto.show_id(), proto.sequence(), proto.user_id(), FromUnixMs(proto.expires_at_ms())}};
}

}  // namespace boxoffice::queue
