/* Formats an error sentence. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int snt_fail(struct snt_error *error, int rc, const char *format, ...)
{
	va_list arguments;

	if (error == NULL)
		return rc;
	va_start(arguments, format);
	(void)vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	return rc;
}
