#include "platform/redis/request.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/check.h"
#include "platform/redis/slot.h"

namespace boxoffice::redis {

Script::Script(std::string_view text) : text_(text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr) == 1);
  for (unsigned i = 0; i < size; ++i) fmt::format_to(std::back_inserter(sha_), "{:02x}", digest[i]);
}

Request Request::Command(std::vector<std::string> words, size_t key_at) {
  CHECK(key_at < words.size(), "a command without its key");
  return {.words = std::move(words), .key_at = key_at};
}

Request Request::Call(const Script& script, std::vector<std::string> keys,
                      std::vector<std::string> arguments) {
  CHECK(!keys.empty(), "a script without a key");
  const uint16_t slot = SlotOf(keys.front());
  CHECK(std::ranges::all_of(keys, [&](const std::string& key) { return SlotOf(key) == slot; }),
        "the keys of one script, {} among them, are in several slots", keys.front());
  Request request{.script = &script};
  request.words.reserve(1 + keys.size() + arguments.size());
  request.words.push_back(fmt::to_string(keys.size()));
  std::ranges::move(keys, std::back_inserter(request.words));
  std::ranges::move(arguments, std::back_inserter(request.words));
  return request;
}

}  // namespace boxoffice::redis
