// Queue tokens: none verifies but what our keys signed, whatever is claimed.
#include <string>
#include <string_view>

#include <fuzzer/FuzzedDataProvider.h>

#include "base/check.h"
#include "services/queue/rpc_ticket.h"

namespace boxoffice::queue {
namespace {

const auth::SigningKey kNew{"k1", "sixteen bytes or more"};
const auth::SigningKey kOld{"k0", "an older secret of sixteen bytes"};

auth::KeyRing RingOf(const std::vector<auth::SigningKey>& keys) { return auth::KeyRing::Make(keys).value(); }

// What verifies is what one of the keys signs, to the letter; what does not is refused by one of two names.
void Judge(const auth::KeyRing& ring, std::string_view text) {
  static const auth::KeyRing old_ring = RingOf({kOld});
  const Result<std::string> payload = ring.Verify(text);
  if (payload)
    CHECK(text == ring.Sign(*payload) || text == old_ring.Sign(*payload), "a second form of a token");
  const Ticket ticket = ReadTicket(ring, text);
  if (!ticket.refusal.empty()) {
    CHECK(ticket.refusal == kTokenMalformed || ticket.refusal == kTokenSignature);
    return;
  }
  CHECK(payload.has_value(), "read, though it does not verify");
  const Ticket again = ReadTicket(ring, IssueTicket(ring, ticket.claims));
  CHECK(again.refusal.empty() && again.claims == ticket.claims);
}

}  // namespace

void Fuzz(const uint8_t* data, size_t size) {
  static const auth::KeyRing ring = RingOf({kNew, kOld});
  FuzzedDataProvider input(data, size);
  if (input.ConsumeBool()) return Judge(ring, input.ConsumeRemainingBytesAsString());
  // Signed by us, or by somebody who calls his key as we do ours; and then changed in one place.
  static const auth::KeyRing stranger = RingOf({{kNew.id, "the secret of somebody else"}});
  const bool ours = input.ConsumeBool();
  const size_t place = input.ConsumeIntegral<uint16_t>();
  const char other = static_cast<char>(input.ConsumeIntegral<uint8_t>());
  const std::string payload = input.ConsumeRandomLengthString(auth::kMaxSignedTokenPayload);
  std::string text = (ours ? ring : stranger).Sign(payload);
  Judge(ring, text);
  CHECK(ring.Verify(text).has_value() == ours);
  char& changed = text[place % text.size()];
  const bool same = std::exchange(changed, other) == other;
  Judge(ring, text);
  if (!same) CHECK(!ring.Verify(text), "a changed token verifies");
}

}  // namespace boxoffice::queue

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  boxoffice::queue::Fuzz(data, size);
  return 0;
}
