import { Empty } from "../../parts/states";

export default function Placeholder() {
  return (
    <div class="page">
      <Empty title="This page is not built yet." />
    </div>
  );
}
