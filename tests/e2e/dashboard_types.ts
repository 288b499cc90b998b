// What a dashboard may look like: Grafana's own types, more strictly where they leave a field to
// the kind of panel. dashboards.py writes each dashboard as a constant of one of these types, and
// the compiler says what is wrong with it.
import type * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import type * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import type * as stat from '@grafana/grafana-foundation-sdk/stat';
import type * as table from '@grafana/grafana-foundation-sdk/table';
import type * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';

// JSON has the values of enums, not their names.
type Plain<T> = T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends (infer Element)[] ? Plain<Element>[]
  : { [Key in keyof T]: Plain<T[Key]> };

type Present<T, Keys extends keyof T> = T & Required<Pick<T, Keys>>;

type PrometheusQuery = Present<
  Plain<Omit<prometheus.Dataquery, '_implementsDataqueryVariant'>>,
  'datasource' | 'legendFormat' | 'refId'>;

// The types know no queries of InfluxDB; these are the fields of its InfluxQL mode.
interface InfluxQuery {
  refId: string;
  datasource: Plain<dashboard.DataSourceRef>;
  rawQuery: true;
  query: string;
  resultFormat: 'time_series' | 'table';
  alias: string;
}

type Field<Custom> =
  Present<Omit<Plain<dashboard.FieldConfig>, 'custom'>, 'unit'> & { custom?: Plain<Custom> };

type PanelOf<Kind, Options, Custom, Query> =
  Present<Omit<Plain<dashboard.Panel>, 'type' | 'targets' | 'options' | 'fieldConfig'>,
          'id' | 'title' | 'description' | 'datasource' | 'gridPos'> & {
    type: Kind;
    targets: Query[];
    options: Plain<Options>;
    fieldConfig: {
      defaults: Field<Custom>;
      overrides: Plain<dashboard.FieldConfigSource>['overrides'];
    };
  };

type Panel<Query> =
  | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig, Query>
  | PanelOf<'stat', stat.Options, never, Query>
  | PanelOf<'table', table.Options, Partial<table.FieldConfig>, Query>
  | Present<Plain<dashboard.RowPanel>, 'title' | 'gridPos'>;

type Board<Query> =
  Omit<Present<Plain<dashboard.Dashboard>, 'uid' | 'title' | 'description'>, 'panels'> & {
    panels: Panel<Query>[];
  };

export type PrometheusBoard = Board<PrometheusQuery>;
export type InfluxBoard = Board<InfluxQuery>;
