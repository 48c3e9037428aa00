package rest

// searchRoutes are those that look for documents.
func (h *Handler) searchRoutes() []*route { return nil }
