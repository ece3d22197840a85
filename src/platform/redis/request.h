// What is asked of Redis: a command, or the call of a script.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace boxoffice::redis {

// A Lua script, known to servers by the SHA-1 of its text. Made once, as a constant; its text must stay.
class Script {
 public:
  explicit Script(std::string_view text);
  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] const std::string& sha() const { return sha_; }

 private:
  std::string_view text_;
  std::string sha_;
};

// A value.
struct Request {
  // A command with its arguments; its key, which says where in a cluster it goes, is words[key_at].
  [[nodiscard]] static Request Command(std::vector<std::string> words, size_t key_at = 1);
  // A call of `script`, which outlives the request. There is at least one key, and all are in one slot; every
  // key that the script touches is among them.
  [[nodiscard]] static Request Call(const Script& script, std::vector<std::string> keys,
                                    std::vector<std::string> arguments);

  const Script* script = nullptr;  // of a call
  std::vector<std::string> words;  // of a call: the number of keys, keys, arguments
  size_t key_at = 1;
  [[nodiscard]] const std::string& key() const { return words[key_at]; }
};

}  // namespace boxoffice::redis
