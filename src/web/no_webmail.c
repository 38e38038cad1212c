/* A program without the webmail (meson -Dwebmail=false). */
#include "web/assets.h"

const struct web_asset web_asset_table[] = {{SLICE_INIT(""), "", "", {0, 0}, {0, 0}, {0, 0}}};
const size_t web_asset_count = 0;
