#include "boxoffice/command_tree.h"

namespace boxoffice::cli {
namespace {

// "TEXT:{running,parked}" names the only values there are.
std::vector<std::string> ChoicesOf(std::string_view type) {
  const size_t open = type.find('{');
  const size_t close = type.rfind('}');
  std::vector<std::string> choices;
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return choices;
  std::string_view list = type.substr(open + 1, close - open - 1);
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    choices.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return choices;
}

OptionNode NodeOf(const CLI::Option& option) {
  OptionNode node;
  for (const std::string& name : option.get_snames()) node.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) node.names.push_back("--" + name);
  if (node.names.empty()) {
    node.positional = true;
    node.names.push_back(option.get_name());
  }
  node.takes_value = option.get_items_expected_max() > 0 && option.get_type_size() != 0;
  node.required = option.get_required();
  node.repeats = option.get_items_expected_max() > 1;
  if (node.takes_value) {
    node.type = option.get_type_name();
    node.choices = ChoicesOf(node.type);
  }
  node.description = option.get_description();
  node.default_value = option.get_default_str();
  node.variable = option.get_envname();
  return node;
}

CommandNode NodeOf(const CLI::App& app, const std::string& path) {
  CommandNode node;
  node.name = app.get_name();
  node.path = path;
  node.description = app.get_description();
  node.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options({})) node.options.push_back(NodeOf(*option));
  for (const CLI::App* child : app.get_subcommands([](const CLI::App*) { return true; }))
    node.children.push_back(
        NodeOf(*child, path.empty() ? child->get_name() : path + " " + child->get_name()));
  return node;
}

}  // namespace

CommandNode TreeOf(const CLI::App& app) { return NodeOf(app, ""); }

}  // namespace boxoffice::cli
