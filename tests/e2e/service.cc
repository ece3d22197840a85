#include "e2e/service.h"

#include <fstream>
#include <iterator>

namespace boxoffice::e2e {

Service::Service(const std::string& service, const std::filesystem::path& folder,
                 const std::vector<std::string>& flags)
    : Service(std::vector<std::string>{BinDir() / "boxoffice", "serve", service}, folder, flags) {}

Service Service::Of(const std::filesystem::path& executable, const std::filesystem::path& folder,
                    const std::vector<std::string>& flags) {
  return {std::vector<std::string>{executable}, folder, flags};
}

Service::Service(std::vector<std::string> program, const std::filesystem::path& folder,
                 const std::vector<std::string>& flags)
    : log_(folder / "stderr") {
  program.insert(program.end(), {"--data", folder / "data"});
  program.insert(program.end(), flags.begin(), flags.end());
  process_.emplace(program, Process::Options{{}, log_});
  ready_line_ = process_->ReadLine(seconds(60)).value_or("");
  const std::string admin = process_->ReadLine(seconds(60)).value_or("");
  if (admin.starts_with("admin 127.0.0.1:")) admin_port_ = PortOf(admin);
}

std::string Service::Log() const {
  std::ifstream in(log_);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace boxoffice::e2e
