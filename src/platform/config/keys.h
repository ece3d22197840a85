// A program's configuration: named values with a range each, read from a TOML file, the environment and
// flags, the later over the earlier.
//
// A key is written once, here: "batch.max_commands" is max_commands in the file's table [batch],
// BOXOFFICE_BATCH_MAX_COMMANDS in the environment and --batch-max-commands on the command line. All times are
// integers of milliseconds, and their keys end in _ms.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
}

namespace boxoffice::config {

using Value = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

// The keys of one program, each bound to a variable, which must outlive this. The variable's value when it is
// added is the default. A key that is added twice, or a default out of its range, is a bug. Not thread-safe.
class Keys {
 public:
  // Reads a variable of the environment; null: not set.
  using Environment = std::function<const char*(const char* name)>;

  Keys();
  ~Keys();
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  void Switch(std::string name, bool& variable, std::string help);
  template <std::integral T>
  void Integer(std::string name, T& variable, int64_t least, int64_t most, std::string help) {
    AddInteger(
        std::move(name), {least, most}, std::move(help),
        [&variable] { return static_cast<int64_t>(variable); },
        [&variable](int64_t value) { variable = static_cast<T>(value); });
  }
  // Any duration whose unit is no finer than a millisecond; the name ends in "_ms".
  template <typename Rep, typename Period>
  void Duration(std::string name, std::chrono::duration<Rep, Period>& variable,
                std::chrono::milliseconds least, std::chrono::milliseconds most, std::string help) {
    using T = std::chrono::duration<Rep, Period>;
    AddInteger(
        std::move(name), {least.count(), most.count()}, std::move(help),
        [&variable] { return std::chrono::duration_cast<std::chrono::milliseconds>(variable).count(); },
        [&variable](int64_t value) {
          variable = std::chrono::duration_cast<T>(std::chrono::milliseconds(value));
        });
  }
  void Number(std::string name, double& variable, double least, double most, std::string help);
  void Text(std::string name, std::string& variable, std::string help);
  void OneOf(std::string name, std::string& variable, std::vector<std::string> choices, std::string help);
  void Path(std::string name, std::filesystem::path& variable, std::string help);
  // In the environment with commas in between, as flags one each.
  void List(std::string name, std::vector<std::string>& variable, std::string help);
  // A URL, of which Print shows all but the password.
  void Url(std::string name, std::string& variable, std::string help);
  // What Print never shows.
  void Secret(std::string name, std::string& variable, std::string help);
  void SecretList(std::string name, std::vector<std::string>& variable, std::string help);

  // Adds a flag for each key; what `app` then parses is what Load takes. `app` must not outlive this.
  void AddFlags(CLI::App& app);
  // Sets the variables: from `file` if it is given, then from the environment, then from the flags. A
  // variable of the environment that is empty, or that names no key, counts for nothing: whole groups of
  // processes share one environment. Error: config (kInvalidArgument), whose detail is one line that names
  // the place (file:line, variable or flag), the key, and what would be right; then some variables may have
  // been set.
  [[nodiscard]] Result<void> Load(const std::optional<std::filesystem::path>& file,
                                  const Environment& environment);
  // Sets one key from text, as a flag named `origin` would. Error: config, also for an unknown key.
  [[nodiscard]] Result<void> Set(std::string_view name, std::string_view text, std::string origin);

  // What a key that holds a list is now, secrets too; nullopt: there is no such list.
  [[nodiscard]] std::optional<std::vector<std::string>> ListAt(std::string_view name) const;

  // All keys as a TOML file that would give the same, with the origin of each value as a comment; in the
  // place of secrets "***".
  [[nodiscard]] std::string Print() const;

 private:
  struct Key;
  struct Range {
    int64_t least;
    int64_t most;
  };
  void AddInteger(std::string name, Range range, std::string help, std::function<int64_t()> get,
                  std::function<void(int64_t)> set);
  Key& Add(std::string name, std::string help, std::function<Value()> get,
           std::function<void(const Value&)> set);
  [[nodiscard]] Key* Find(std::string_view name) const;
  [[nodiscard]] Result<void> LoadFile(const std::filesystem::path& file);
  [[nodiscard]] Error Unknown(const std::string& place, std::string_view name, bool is_table) const;

  std::vector<std::unique_ptr<Key>> keys_;
};

// The variables of the environment that would be over what this text, of a TOML file, says; none, if it is no
// TOML.
[[nodiscard]] std::vector<std::string> VariablesOver(std::string_view text);

// `url` with "***" in the place of a password ("scheme://user:password@…", "…?password=…",
// "…?sasl.password=…"), and of all that is asked for of a web server ("https://host/path?token=…").
[[nodiscard]] std::string MaskPassword(std::string_view url);

}  // namespace boxoffice::config
