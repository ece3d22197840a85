#include "platform/config/keys.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include "base/check.h"
#include "base/text.h"

namespace boxoffice::config {
namespace {

constexpr std::string_view kMask = "***";
constexpr size_t kCommentColumn = 44;  // of the origins in Print

enum class Masking { kNone, kPassword, kAll };

std::unexpected<Error> Wrong(std::string detail) {
  return Fail(Code::kInvalidArgument, "config", std::move(detail));
}

// "batch.max_commands" → "BOXOFFICE_BATCH_MAX_COMMANDS"
std::string VariableOf(std::string_view name) {
  std::string variable = "BOXOFFICE_";
  for (const char c : name) {
    variable += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return variable;
}

// "batch.max_commands" → "--batch-max-commands"
std::string FlagOf(std::string_view name) {
  std::string flag = "--";
  for (const char c : name) flag += c == '.' || c == '_' ? '-' : c;
  return flag;
}

std::string_view TableOf(std::string_view name) {
  const size_t dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

// A value of the same alternative as `like`; nullopt: the text is none.
std::optional<Value> FromText(std::string_view text, const Value& like) {
  const auto as_value = [](auto parsed) { return parsed ? std::optional<Value>(*parsed) : std::nullopt; };
  if (std::holds_alternative<bool>(like)) {
    if (text != "true" && text != "false") return std::nullopt;
    return Value(text == "true");
  }
  if (std::holds_alternative<int64_t>(like)) return as_value(ParseNumber<int64_t>(text));
  if (std::holds_alternative<double>(like)) return as_value(ParseNumber<double>(text));
  if (std::holds_alternative<std::string>(like)) return Value(std::string(text));
  return Value(SplitAtCommas(text));
}

// The same for what stands in a file.
std::optional<Value> FromNode(const toml::node& node, const Value& like) {
  if (std::holds_alternative<bool>(like)) {
    if (!node.is_boolean()) return std::nullopt;
    return Value(node.as_boolean()->get());
  }
  if (std::holds_alternative<int64_t>(like)) {
    if (!node.is_integer()) return std::nullopt;
    return Value(node.as_integer()->get());
  }
  if (std::holds_alternative<double>(like)) {
    const auto number = node.value<double>();  // an integer too
    if (!number) return std::nullopt;
    return Value(*number);
  }
  if (std::holds_alternative<std::string>(like)) {
    if (!node.is_string()) return std::nullopt;
    return Value(node.as_string()->get());
  }
  if (!node.is_array()) return std::nullopt;
  std::vector<std::string> texts;
  for (const toml::node& element : *node.as_array()) {
    if (!element.is_string()) return std::nullopt;
    texts.push_back(element.as_string()->get());
  }
  return Value(std::move(texts));
}

std::string ToToml(const Value& value) {
  std::ostringstream out;
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    toml::array array;
    for (const std::string& text : *list) array.push_back(text);
    out << toml::toml_formatter(array);
  } else {
    std::visit(
        [&out]<typename T>(const T& one) {
          if constexpr (!std::is_same_v<T, std::vector<std::string>>) {
            const toml::value<T> wrapped(one);
            out << toml::toml_formatter(wrapped);
          }
        },
        value);
  }
  return out.str();
}

std::string TextOf(const toml::node& node) {
  std::ostringstream out;
  out << toml::toml_formatter(node);
  std::string text = out.str();
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

struct Keys::Key {
  std::string name;
  std::string help;
  std::function<Value()> get;
  std::function<void(const Value&)> set;
  int64_t least = INT64_MIN;
  int64_t most = INT64_MAX;
  double least_number = 0;
  double most_number = 0;
  std::vector<std::string> choices;
  Masking masking = Masking::kNone;
  std::string origin = "default";
  std::vector<std::string> given;  // by flags

  [[nodiscard]] bool Accepts(const Value& value) const {
    if (const auto* integer = std::get_if<int64_t>(&value)) return *integer >= least && *integer <= most;
    if (const auto* number = std::get_if<double>(&value))
      return *number >= least_number && *number <= most_number;
    const auto* text = std::get_if<std::string>(&value);
    return text == nullptr || choices.empty() || std::ranges::find(choices, *text) != choices.end();
  }

  // What a value must be.
  [[nodiscard]] std::string Right() const {
    const Value like = get();
    if (std::holds_alternative<bool>(like)) return "true or false";
    if (std::holds_alternative<int64_t>(like)) {
      const std::string_view unit = name.ends_with("_ms") ? " (milliseconds)" : "";
      return fmt::format("an integer from {} to {}{}", least, most, unit);
    }
    if (std::holds_alternative<double>(like)) {
      return fmt::format("a number from {} to {}", least_number, most_number);
    }
    if (std::holds_alternative<std::vector<std::string>>(like)) return "a list of texts";
    return choices.empty() ? "a text" : fmt::format("one of {}", fmt::join(choices, ", "));
  }

  [[nodiscard]] Value Masked(const Value& value) const {
    if (masking == Masking::kNone) return value;
    if (const auto* list = std::get_if<std::vector<std::string>>(&value))
      return std::vector<std::string>(list->size(), std::string(kMask));
    const auto& text = std::get<std::string>(value);
    if (masking == Masking::kPassword) return MaskPassword(text);
    return text.empty() ? text : std::string(kMask);
  }

  // `shown`: what was written, for the error.
  Result<void> Take(const std::optional<Value>& value, std::string_view shown, const std::string& from) {
    if (!value || !Accepts(*value)) {
      return Wrong(fmt::format("{}: {} = {}: it must be {}", from, name,
                               masking == Masking::kNone ? shown : kMask, Right()));
    }
    set(*value);
    origin = from;
    return {};
  }
};

Keys::Keys() = default;
Keys::~Keys() = default;

Keys::Key& Keys::Add(std::string name, std::string help, std::function<Value()> get,
                     std::function<void(const Value&)> set) {
  for (const auto& key : keys_)
    CHECK(FlagOf(key->name) != FlagOf(name), "{} and {} have the same flag", key->name, name);
  auto key = std::make_unique<Key>();
  key->name = std::move(name);
  key->help = std::move(help);
  key->get = std::move(get);
  key->set = std::move(set);
  return *keys_.emplace_back(std::move(key));
}

void Keys::AddInteger(std::string name, Range range, std::string help, std::function<int64_t()> get,
                      std::function<void(int64_t)> set) {
  Key& key = Add(
      std::move(name), std::move(help), [get = std::move(get)] { return Value(get()); },
      [set = std::move(set)](const Value& value) { set(std::get<int64_t>(value)); });
  key.least = range.least;
  key.most = range.most;
  CHECK(key.Accepts(key.get()), "the default of {} is out of its range", key.name);
}

void Keys::Switch(std::string name, bool& variable, std::string help) {
  Add(
      std::move(name), std::move(help), [&variable] { return Value(variable); },
      [&variable](const Value& value) { variable = std::get<bool>(value); });
}

void Keys::Number(std::string name, double& variable, double least, double most, std::string help) {
  Key& key = Add(
      std::move(name), std::move(help), [&variable] { return Value(variable); },
      [&variable](const Value& value) { variable = std::get<double>(value); });
  key.least_number = least;
  key.most_number = most;
  CHECK(key.Accepts(key.get()), "the default of {} is out of its range", key.name);
}

void Keys::Text(std::string name, std::string& variable, std::string help) {
  Add(
      std::move(name), std::move(help), [&variable] { return Value(variable); },
      [&variable](const Value& value) { variable = std::get<std::string>(value); });
}

void Keys::OneOf(std::string name, std::string& variable, std::vector<std::string> choices,
                 std::string help) {
  Text(std::move(name), variable, std::move(help));
  keys_.back()->choices = std::move(choices);
  CHECK(keys_.back()->Accepts(Value(variable)), "the default of {} is none of its choices",
        keys_.back()->name);
}

void Keys::Path(std::string name, std::filesystem::path& variable, std::string help) {
  Add(
      std::move(name), std::move(help), [&variable] { return Value(variable.string()); },
      [&variable](const Value& value) { variable = std::get<std::string>(value); });
}

void Keys::List(std::string name, std::vector<std::string>& variable, std::string help) {
  Add(
      std::move(name), std::move(help), [&variable] { return Value(variable); },
      [&variable](const Value& value) { variable = std::get<std::vector<std::string>>(value); });
}

void Keys::Url(std::string name, std::string& variable, std::string help) {
  Text(std::move(name), variable, std::move(help));
  keys_.back()->masking = Masking::kPassword;
}

void Keys::Secret(std::string name, std::string& variable, std::string help) {
  Text(std::move(name), variable, std::move(help));
  keys_.back()->masking = Masking::kAll;
}

void Keys::SecretList(std::string name, std::vector<std::string>& variable, std::string help) {
  List(std::move(name), variable, std::move(help));
  keys_.back()->masking = Masking::kAll;
}

Keys::Key* Keys::Find(std::string_view name) const {
  const auto found = std::ranges::find_if(keys_, [name](const auto& key) { return key->name == name; });
  return found == keys_.end() ? nullptr : found->get();
}

void Keys::AddFlags(CLI::App& app) {
  for (const auto& key : keys_) {
    const bool list = std::holds_alternative<std::vector<std::string>>(key->get());
    const std::string value = ToToml(key->Masked(key->get()));
    const std::string_view warning =
        key->masking == Masking::kNone
            ? ""
            : ". Holds a secret: whoever may list this machine's processes reads flags, so give "
              "it in the file or the environment";
    CLI::Option* option =
        app.add_option(FlagOf(key->name), key->given,
                       fmt::format("{}. {}; default {} [{}]{}", key->help, key->Right(), value,
                                   VariableOf(key->name), warning))
            ->type_name(list ? "TEXT …" : "VALUE")
            ->allow_extra_args(false)
            ->group(TableOf(key->name).empty() ? "Keys" : fmt::format("[{}]", TableOf(key->name)));
    if (!list) option->expected(1);
  }
}

Result<void> Keys::Load(const std::optional<std::filesystem::path>& file, const Environment& environment) {
  if (file) BOXOFFICE_TRY(LoadFile(*file));
  for (const auto& key : keys_) {
    const std::string variable = VariableOf(key->name);
    const char* text = environment(variable.c_str());
    if (text != nullptr && *text != '\0')
      BOXOFFICE_TRY(key->Take(FromText(text, key->get()), text, variable));
    if (key->given.empty()) continue;
    const bool list = std::holds_alternative<std::vector<std::string>>(key->get());
    const std::string& last = key->given.back();
    BOXOFFICE_TRY(key->Take(list ? Value(key->given) : FromText(last, key->get()), last, FlagOf(key->name)));
  }
  return {};
}

Result<void> Keys::Set(std::string_view name, std::string_view text, std::string origin) {
  Key* key = Find(name);
  if (key == nullptr) return std::unexpected(Unknown(origin, name, /*is_table=*/false));
  return key->Take(FromText(text, key->get()), text, origin);
}

std::optional<std::vector<std::string>> Keys::ListAt(std::string_view name) const {
  const Key* key = Find(name);
  if (key == nullptr) return std::nullopt;
  const Value value = key->get();
  const auto* list = std::get_if<std::vector<std::string>>(&value);
  return list != nullptr ? std::optional(*list) : std::nullopt;
}

Error Keys::Unknown(const std::string& place, std::string_view name, bool is_table) const {
  const std::string_view table = TableOf(name);
  std::vector<std::string> siblings;
  std::vector<std::string> tables;
  for (const auto& key : keys_) {
    const std::string of(TableOf(key->name));
    if (of == table) siblings.push_back(key->name.substr(of.empty() ? 0 : of.size() + 1));
    if (!of.empty() && std::ranges::find(tables, of) == tables.end()) tables.push_back(of);
  }
  const bool known_table = !is_table && (table.empty() || std::ranges::find(tables, table) != tables.end());
  std::string detail;
  if (!known_table) {
    detail =
        fmt::format("{}: no table {}: there are {}", place, is_table ? name : table, fmt::join(tables, ", "));
  } else {
    detail = fmt::format("{}: no key {}: {} {}", place, name,
                         table.empty() ? "outside of tables there are" : fmt::format("[{}] has", table),
                         fmt::join(siblings, ", "));
  }
  return {Code::kInvalidArgument, "config", std::move(detail)};
}

Result<void> Keys::LoadFile(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::error_code ignored;
  if (!in || std::filesystem::is_directory(file, ignored))
    return Wrong(fmt::format("{}: can't be read", file.string()));
  const std::string text(std::istreambuf_iterator<char>(in), {});
  toml::table root;
  try {
    root = toml::parse(text, file.string());
  } catch (const toml::parse_error& error) {
    return Wrong(fmt::format("{}:{}: {}", file.string(), error.source().begin.line, error.description()));
  }
  // In the order of the lines, so that the first mistake is told first.
  std::multimap<uint32_t, std::pair<std::string, const toml::node*>> found;
  for (const auto& [name, node] : root) {
    if (!node.is_table()) {
      found.emplace(node.source().begin.line, std::pair(std::string(name.str()), &node));
      continue;
    }
    found.emplace(node.source().begin.line, std::pair(std::string(name.str()), &node));
    for (const auto& [inner, value] : *node.as_table()) {
      found.emplace(value.source().begin.line,
                    std::pair(fmt::format("{}.{}", name.str(), inner.str()), &value));
    }
  }
  for (const auto& [line, entry] : found) {
    const auto& [name, node] = entry;
    const std::string place = fmt::format("{}:{}", file.string(), line);
    if (node->is_table() && TableOf(name).empty()) {
      const bool known =
          std::ranges::any_of(keys_, [&](const auto& key) { return TableOf(key->name) == name; });
      if (!known) return std::unexpected(Unknown(place, name, /*is_table=*/true));
      continue;
    }
    Key* key = Find(name);
    if (key == nullptr) return std::unexpected(Unknown(place, name, /*is_table=*/false));
    BOXOFFICE_TRY(key->Take(FromNode(*node, key->get()), TextOf(*node), place));
  }
  return {};
}

std::string Keys::Print() const {
  std::string text;
  const auto print = [&text](const Key& key, std::string_view name) {
    std::string line = fmt::format("{} = {}", name, ToToml(key.Masked(key.get())));
    if (line.size() < kCommentColumn) line.append(kCommentColumn - line.size(), ' ');
    text += fmt::format("{}  # {}\n", line, key.origin);
  };
  std::vector<std::string_view> tables;
  for (const auto& key : keys_) {
    const std::string_view table = TableOf(key->name);
    if (table.empty()) {
      print(*key, key->name);
    } else if (std::ranges::find(tables, table) == tables.end()) {
      tables.push_back(table);
    }
  }
  for (const std::string_view table : tables) {
    text += fmt::format("\n[{}]\n", table);
    for (const auto& key : keys_) {
      if (TableOf(key->name) == table) print(*key, std::string_view(key->name).substr(table.size() + 1));
    }
  }
  return text;
}

std::vector<std::string> VariablesOver(std::string_view text) {
  std::vector<std::string> variables;
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error&) {
    return variables;
  }
  for (const auto& [name, node] : root) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      variables.push_back(VariableOf(name.str()));
      continue;
    }
    for (const auto& [key, value] : *table)
      variables.push_back(VariableOf(fmt::format("{}.{}", name.str(), key.str())));
  }
  return variables;
}

std::string MaskPassword(std::string_view url) {
  std::string masked(url);
  const size_t user = masked.find("://");
  if (user != std::string::npos) {
    const size_t end = std::min(masked.find_first_of("/?#", user + 3), masked.size());
    size_t at = masked.rfind('@', end);
    // A password with a '/' that should have been percent-encoded: no URL, and just then it is shown.
    if (at == std::string::npos || at < user)
      at = masked.rfind('@', std::min(masked.find('?'), masked.size()));
    const size_t colon = masked.find(':', user + 3);
    if (at != std::string::npos && at > user && colon < at) masked.replace(colon + 1, at - colon - 1, kMask);
  }
  // Any of them may be the key to it, whatever its name.
  if (const size_t query = masked.find('?'); masked.starts_with("http") && query != std::string::npos)
    masked.replace(query + 1, std::string::npos, kMask);
  // What follows a name that ends so, of a query's parameters.
  for (const std::string_view mark : {"password=", "secret=", "key.pem="}) {
    for (size_t begin = masked.find(mark); begin != std::string::npos; begin = masked.find(mark, begin)) {
      begin += mark.size();
      masked.replace(begin, std::min(masked.find('&', begin), masked.size()) - begin, kMask);
    }
  }
  return masked;
}

}  // namespace boxoffice::config
