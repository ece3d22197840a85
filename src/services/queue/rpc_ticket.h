// Queue tokens as text: claims signed by the key ring, which every edge has too.
#pragma once

#include <string>
#include <string_view>

#include "platform/auth/signed_token.h"
#include "services/queue/session.h"

namespace boxoffice::queue {

// The same claims give the same text as long as the signing key is the same.
[[nodiscard]] std::string IssueTicket(const auth::KeyRing& keys, const Claims& claims);
// What the text claims, or why it is nobody's: token_malformed, token_signature. Whether it has ended, and
// whose it is, is not judged here.
[[nodiscard]] Ticket ReadTicket(const auth::KeyRing& keys, std::string_view text);

}  // namespace boxoffice::queue
