// boxoffice-seat: concerts, shows and seats as a process of its own.
#include "platform/module/serve.h"
#include "services/seat/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, boxoffice::seat::Program());
}
