/* api/status_pages.h -- /version and /debug/vars.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_STATUS_PAGES_H
#define API_STATUS_PAGES_H

#include "api/web.h"

void version_page(const struct web *w);
void vars_page(const struct web *w);

#endif
