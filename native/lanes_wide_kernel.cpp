// The lanes engine's kernels for wide networks, one at a time.

#include "lanes.hpp"

#include "lanes_trainer.hpp"
#include "lanes_wide.hpp"

namespace goodinit {
namespace GOODINIT_ISA {

void get_wide(Layout<float> &wide) { wide = {&scratch_of<Wide<float>, float>, &train_unit<Wide<float>, float>}; }
void get_wide(Layout<double> &wide) { wide = {&scratch_of<Wide<double>, double>, &train_unit<Wide<double>, double>}; }

}  // namespace GOODINIT_ISA
}  // namespace goodinit
